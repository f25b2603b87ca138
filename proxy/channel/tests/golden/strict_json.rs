//! JSON that two readers could understand differently.

use channel::strict_json::{Value, Wrong, parse};

#[test]
fn reads_what_everybody_reads_the_same() {
    let text = r#" { "a" : [ 0, 18446744073709551615, -1, 1.5, 1e3, true, null, {} ], "中": "\u4e2d\ud83d\ude00\/\n" } "#;
    let value = parse(text.as_bytes()).expect("lawful");
    let list = value.list("a").expect("a list");
    assert!(matches!(list[0], Value::Integer(0)) && matches!(list[1], Value::Integer(u64::MAX)));
    assert!(list[2..5].iter().all(|number| matches!(number, Value::Number(_))));
    assert_eq!(value.text("中"), Some("中😀/\n"));
    let member = value.member("a").expect("a member");
    assert!(text[member.span.clone()].starts_with('[') && text[member.span.clone()].ends_with(']'));
}

#[test]
fn refuses_the_rest_and_names_the_place() {
    let deep = |n| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(deep(32).as_bytes()).is_ok());
    let cases: Vec<(Vec<u8>, Wrong, &str)> = vec![
        (b"\xef\xbb\xbf{}".to_vec(), Wrong::ByteOrderMark, ""),
        (b"{\"a\":\"\xff\"}".to_vec(), Wrong::NotUtf8, ""),
        (b"{\"a\":\"\xed\xa0\x80\"}".to_vec(), Wrong::NotUtf8, ""),
        (br#"{"a":1,"a":1}"#.to_vec(), Wrong::Duplicate, "a"),
        (
            br#"{"a":{"b":[{"c":1,"c":2}]}}"#.to_vec(),
            Wrong::Duplicate,
            "a.b[0].c",
        ),
        (br#"{"a":1,"\u0061":2}"#.to_vec(), Wrong::Duplicate, "a"),
        (br#"{"a":"\ud800"}"#.to_vec(), Wrong::LoneSurrogate, "a"),
        (br#"{"a":"\udc00"}"#.to_vec(), Wrong::LoneSurrogate, "a"),
        (br#"{"a":"\ud800\u0061"}"#.to_vec(), Wrong::LoneSurrogate, "a"),
        (br#"{"a":"\ud800x"}"#.to_vec(), Wrong::LoneSurrogate, "a"),
        (
            deep(33).into_bytes(),
            Wrong::Depth,
            "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]",
        ),
        (
            br#"{"amount":{"total":18446744073709551616}}"#.to_vec(),
            Wrong::NumberTooLarge,
            "amount.total",
        ),
        (b"{} {}".to_vec(), Wrong::Trailing, ""),
        (br#"{"13800138000":"#.to_vec(), Wrong::Syntax, "?"),
    ];
    for (octets, wrong, path) in cases {
        let error = parse(&octets).expect_err("refused");
        assert_eq!(
            (error.wrong, error.path.as_str()),
            (wrong, path),
            "{}",
            String::from_utf8_lossy(&octets)
        );
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"a",
        "/* */1",
        "[1 2]",
        "\u{feff}1",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn an_error_never_repeats_a_value() {
    let secret = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";
    for text in [
        format!(r#"{{"openid":"{secret}" x}}"#),
        format!(r#"{{"{secret}{secret}{secret}":01}}"#),
    ] {
        let error = parse(text.as_bytes()).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(secret));
    }
    assert_eq!(format!("{:?}", parse(b"\"secret\"").expect("a text")), "a text");
}

#[test]
fn many_names_cost_no_more_than_their_sorting() {
    let names: Vec<String> = (0..20_000).map(|n| format!("\"n{n}\":0")).collect();
    assert!(parse(format!("{{{}}}", names.join(",")).as_bytes()).is_ok());
}
