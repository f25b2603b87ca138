use super::*;

fn read(text: &str) -> Result<Vec<(String, String)>, XmlError> {
    let fields = Fields::parse(text.as_bytes(), "xml")?;
    Ok(fields.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

#[test]
fn reads_what_the_channel_and_its_sdks_write() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<xml>\n<a><![CDATA[x<&]]></a><b>1 &lt; 2 &amp; 3</b>\n<c/>\
                <d></d><e>y<![CDATA[]]]]><![CDATA[>]]></e></xml>\n";
    let pairs = [
        ("a", "x<&"),
        ("b", "1 < 2 & 3"),
        ("c", ""),
        ("d", ""),
        ("e", "y]]>"),
    ];
    assert_eq!(
        read(text),
        Ok(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec())
    );
    let fields = Fields::parse(b"<xml><a/></xml>", "xml").expect("lawful");
    assert!(fields.has("a") && fields.get("a").is_none());
    // As a Java SDK writes it on Windows.
    let indented = text.replace('\n', "\r\n").replace("</xml>", "\r\n \t\r\n</xml>");
    assert_eq!(read(&indented), read(text));
}

/// As `Transformer` of Java and `encoding/xml` of Go write them.
#[test]
fn a_character_may_stand_by_its_number() {
    let java = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?><xml>\n<body>奶茶&#128512;&#134071;野家</body>\n</xml>\n";
    assert_eq!(
        read(java),
        Ok(vec![("body".to_owned(), "奶茶😀𠮷野家".to_owned())])
    );
    let go = "<xml><scene_info>{&#34;h5_info&#34;:&#xA;&#x9;&#39;&lt;}</scene_info></xml>";
    let said = "{\"h5_info\":\n\t'<}".to_owned();
    assert_eq!(read(go), Ok(vec![("scene_info".to_owned(), said)]));
    // What it makes is text, never markup, and counts as what it is.
    let made = "<xml><a>&#60;b&#62;&#38;amp;&#93;]&#x3E;&#0000049;&#x00031;&#x10fffd;</a></xml>";
    let said = "<b>&amp;]]>11\u{10FFFD}".to_owned();
    assert_eq!(read(made), Ok(vec![("a".to_owned(), said)]));
    // In CDATA it is the text that it looks like.
    let plain = read("<xml><a><![CDATA[&#49;]]></a></xml>");
    assert_eq!(plain, Ok(vec![("a".to_owned(), "&#49;".to_owned())]));
    for odd in [
        "&#0;",
        "&#x0;",
        "&#1;",
        "&#8;",
        "&#11;",
        "&#13;",
        "&#xD;",
        "&#x1F;",
        "&#127;",
        "&#128;",
        "&#x9F;",
        "&#xD800;",
        "&#xDFFF;",
        "&#55357;&#56832;",
        "&#xFDD0;",
        "&#xFFFE;",
        "&#xFFFF;",
        "&#x1FFFE;",
        "&#x10FFFF;",
        "&#x110000;",
        "&#1114112;",
        "&#00000049;",
        "&#x0000031;",
        "&#4294967345;",
        "&#;",
        "&#x;",
        "&#X31;",
        "&#+49;",
        "&#-1;",
        "&#4 9;",
        "&# 49;",
        "&#49",
        "&#x3g;",
        "&#4a;",
        "&#１;",
        "&#x31",
        "&amp",
        "&Amp;",
        "&nbsp;",
        "&lt",
        "&",
        "&;",
    ] {
        for text in [
            format!("<xml><a>{odd}</a></xml>"),
            format!("<xml><a>1{odd}</a><b>;</b></xml>"),
        ] {
            assert!(
                matches!(read(&text), Err(XmlError::Syntax(_))),
                "{text}: {:?}",
                read(&text)
            );
        }
    }
    for odd in [
        "<xml><&#97;>1</&#97;></xml>",
        "<xml><a&#98;>1</a&#98;></xml>",
        "<&#120;ml></xml>",
        "<xml>&#10;<a>1</a></xml>",
    ] {
        assert!(matches!(read(odd), Err(XmlError::Syntax(_))), "{odd}");
    }
}

#[test]
fn refuses_what_could_be_read_in_two_ways() {
    assert_eq!(
        read("<xml><a>1</a><a>2</a></xml>"),
        Err(XmlError::Twice("a".into()))
    );
    assert_eq!(read("<xml><a>1</a><a/></xml>"), Err(XmlError::Twice("a".into())));
    assert_eq!(read("<xml><a>\r\n</a></xml>"), Err(XmlError::Character(8)));
    // A line's end of Windows stands between elements and nowhere else.
    for (text, at) in [
        ("<xml><a>1\r</a></xml>", 9),
        ("<xml><a><![CDATA[1\r\n2]]></a></xml>", 18),
        ("<xml>\r\n<a>\r\n</a></xml>", 10),
        ("<?xml\u{20}version=\"1.0\"\r\n?><xml></xml>", 19),
    ] {
        assert_eq!(read(text), Err(XmlError::Character(at)), "{text:?}");
    }
    assert_eq!(read("<xml><a>\0</a></xml>"), Err(XmlError::Character(8)));
    assert!(matches!(
        Fields::parse(b"<xml><a>\xff</a></xml>", "xml"),
        Err(XmlError::Character(8))
    ));
    let odd = [
        "",
        "\u{feff}<xml></xml>",
        "<!DOCTYPE xml [<!ENTITY e \"1\">]><xml><a>&e;</a></xml>",
        "<!DOCTYPE xml SYSTEM \"file:///etc/passwd\"><xml></xml>",
        "<xml><a>&e;</a></xml>",
        "<xml><a b=\"c\">1</a></xml>",
        "<xml a=\"b\"><a>1</a></xml>",
        "<xml><a><b>1</b></a></xml>",
        "<xml><!-- --><a>1</a></xml>",
        "<xml><?p?><a>1</a></xml>",
        "<?xml version=\"1.1\"?><xml></xml>",
        "<?xml version=\"1.0\" encoding=\"gbk\"?><xml></xml>",
        " <?xml version=\"1.0\"?><xml></xml>",
        "<xml>text<a>1</a></xml>",
        "<xml><a>1</b></xml>",
        "<xml><a>1</a >/xml>",
        "<xml><a >1</a></xml>",
        "<xml><a>1</a ></xml>",
        "<xml><1a>1</1a></xml>",
        "<xml><a:b>1</a:b></xml>",
        "<xml><a>]]></a></xml>",
        "<xml><a><![CDATA[1</a></xml>",
        "<xml><a>1</a>",
        "<xml><a>1</a></xml><xml></xml>",
        "<xml><a>1</a></xml>x",
        "<root><a>1</a></root>",
        "<XML><a>1</a></XML>",
        "<xml>\r<a>1</a></xml>",
        "<xml><a>1</a>\n\r</xml>",
        "\r<xml></xml>",
        "<xml\r\n><a>1</a></xml>",
    ];
    for text in odd {
        assert!(
            matches!(read(text), Err(XmlError::Syntax(_))),
            "{text}: {:?}",
            read(text)
        );
    }
    let many: String = (0..257).map(|n| format!("<a{n}>1</a{n}>")).collect();
    assert_eq!(read(&format!("<xml>{many}</xml>")), Err(XmlError::TooMany));
}

#[test]
fn what_is_written_is_read_back() {
    let fields: Vec<Parameter> = vec![
        ("body", Zeroizing::new("奶茶 <b> & ]]> \"x\" ]]>]]".to_owned())),
        ("nonce_str", Zeroizing::new("x".to_owned())),
    ];
    let octets = write(&fields).expect("can be written");
    let back = Fields::parse(&octets, "xml").expect("is read");
    assert!(
        fields
            .iter()
            .all(|(name, value)| back.get(name) == Some(value.as_str()))
    );
    for odd in ["a\rb", "a\u{1}b", "\u{ffff}"] {
        assert_eq!(
            write(&[("body", Zeroizing::new(odd.to_owned()))]),
            Err("body"),
            "{odd:?}"
        );
    }
}

/// For the record of who signed it, and for nothing else.
#[test]
fn what_is_no_message_has_readings() {
    let of = |text: &str| -> Vec<String> {
        let shown = |fields: &Fields| {
            let pairs: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
            pairs.join("&")
        };
        Fields::readings(text.as_bytes()).iter().map(shown).collect()
    };
    assert_eq!(
        of("<xml><a>1</a><b><![CDATA[2]]></b><a>3</a></xml>"),
        ["a=1&b=2", "b=2&a=3", "a=1&b=2&a=3"]
    );
    for odd in [
        "<!DOCTYPE x [<!ENTITY e \"9\">]><xml><a>1</a><b>&e;</b></xml>",
        "<xml><x><a>1</a></x></xml>",
        "\u{feff}<XML><a>1</a></XML>",
        "<xml><a>1</a><b x=\"1\">2</b></xml>",
    ] {
        assert!(Fields::parse(odd.as_bytes(), "xml").is_err());
        assert_eq!(of(odd), ["a=1"], "{odd}");
    }
    for nothing in ["", "<xml>", "&#x31;", "<a>1</b>"] {
        assert!(of(nothing).is_empty(), "{nothing}");
    }
    // Hidden behind hundreds of others nothing is looked for.
    assert!(of(&format!("{}<a>1</a>", "<x>".repeat(300))).is_empty());
    assert!(Fields::readings(b"\xff\xfe<\0a\0>").is_empty());
}
