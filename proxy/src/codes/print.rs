//! The plate on the counter (条码台牌): the code, the merchant's name, what is to be paid. As SVG, with the fonts of
//! whoever opens it, and as PNG, in the one bitmap font that has every Chinese character.

use domain::Amount;
use qrcode::{Color, EcLevel, QrCode, types::QrError};
use unifont::{Glyph, get_glyph};

/// What stands on it.
#[derive(Clone, Debug)]
pub(crate) struct Plate {
    /// The merchant's registered name.
    pub(crate) name: String,
    /// The merchant's own text.
    pub(crate) title: Option<String>,
    /// Fixed amount.
    pub(crate) amount: Option<Amount>,
    /// What the code says.
    pub(crate) url: String,
    /// Wallets that can pay it.
    pub(crate) wallets: String,
    /// The code's number, for whoever cannot scan it.
    pub(crate) id: String,
}

const CALL: &str = "扫一扫付款 Scan to pay";
const GREEN: &str = "#0b7a4b";
const INK: &str = "#17211c";

/// Why nothing was drawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrawError {
    /// The text does not fit into a code.
    #[error("the text does not fit into a code: {0}")]
    Code(#[from] QrError),
    /// The picture could not be written.
    #[error("the picture could not be written: {0}")]
    Png(#[from] png::EncodingError),
}

/// Dark fields of a code, row by row, and their number in a row. Level M: a plate gets scratched.
fn fields(text: &str) -> Result<(Vec<bool>, usize), QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let width = code.width();
    Ok((
        code.into_colors().into_iter().map(|c| c == Color::Dark).collect(),
        width,
    ))
}

/// A code alone, as the `d` of one path of squares of one unit, and its width.
fn path(text: &str) -> Result<(String, usize), QrError> {
    let (dark, width) = fields(text)?;
    let mut d = String::new();
    for (y, row) in dark.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|dark| **dark).count();
            if run > 0 {
                d.push_str(&format!("M{x} {y}h{run}v1h-{run}z"));
            }
            x += run.max(1);
        }
    }
    Ok((d, width))
}

/// A code alone, with its quiet zone.
pub(crate) fn svg_code(text: &str) -> Result<String, DrawError> {
    let (d, width) = path(text)?;
    let side = width + 8;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-4 -4 {side} {side}\" shape-rendering=\"crispEdges\"><rect x=\"-4\" y=\"-4\" width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{d}\" fill=\"#000\"/></svg>\n"
    ))
}

/// The plate, 105 × 148 mm (A6).
pub(crate) fn svg(plate: &Plate) -> Result<String, DrawError> {
    let (d, width) = path(&plate.url)?;
    let scale = 580.0 / width as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"105mm\" height=\"148mm\" viewBox=\"0 0 1050 1480\" font-family=\"'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif\" text-anchor=\"middle\">\
         <rect width=\"1050\" height=\"1480\" fill=\"{GREEN}\"/><rect x=\"60\" y=\"270\" width=\"930\" height=\"1000\" rx=\"44\" fill=\"#fff\"/>\
         <text x=\"525\" y=\"176\" font-size=\"76\" font-weight=\"700\" fill=\"#fff\">{CALL}</text>"
    );
    // The amount has a line of its own: what a long title takes, it does not.
    let (name_at, title_at) = if plate.amount.is_some() {
        (346, 412)
    } else {
        (380, 460)
    };
    let size = (820.0 / measure(&plate.name)).min(64.0);
    text += &format!(
        "<text x=\"525\" y=\"{name_at}\" font-size=\"{size:.0}\" font-weight=\"700\" fill=\"{INK}\">{}</text>",
        escaped(&plate.name)
    );
    if let Some(title) = &plate.title {
        let size = (820.0 / measure(title)).min(44.0);
        text += &format!(
            "<text x=\"525\" y=\"{title_at}\" font-size=\"{size:.0}\" fill=\"#4a5750\">{}</text>",
            escaped(title)
        );
    }
    if let Some(amount) = plate.amount {
        text += &format!(
            "<text x=\"525\" y=\"496\" font-size=\"68\" font-weight=\"700\" fill=\"{INK}\">¥ {}</text>",
            amount.to_yuan()
        );
    }
    text += &format!(
        "<g transform=\"translate(235 580) scale({scale:.4})\" shape-rendering=\"crispEdges\"><path d=\"{d}\"/></g>\
         <text x=\"525\" y=\"1210\" font-size=\"30\" letter-spacing=\"4\" fill=\"#66726b\">{}</text>\
         <text x=\"525\" y=\"1390\" font-size=\"44\" fill=\"#fff\">{}</text></svg>\n",
        plate.id,
        escaped(&plate.wallets)
    );
    Ok(text)
}

/// How many characters of full width a text takes.
fn measure(text: &str) -> f64 {
    text.chars()
        .map(|c| if c.is_ascii() { 0.56 } else { 1.0 })
        .sum::<f64>()
        .max(1.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const WIDE: usize = 720;
const HIGH: usize = 1000;
/// The code's greatest side and its upper edge.
const SIDE: usize = 470;
const TOP: usize = 372;
/// The white field ends here; what is below is more than a printer's cut takes.
const FOOT: usize = HIGH - 100;
/// Longest line, in dots.
const LINE: usize = WIDE - 80;

/// Dots of three colours: white, ink, green.
struct Canvas(Vec<u8>);

impl Canvas {
    fn fill(&mut self, x: usize, y: usize, w: usize, h: usize, colour: u8) {
        for row in self.0.chunks_mut(WIDE).skip(y).take(h) {
            row.iter_mut().skip(x).take(w).for_each(|dot| *dot = colour);
        }
    }

    /// A text in the middle, within so much height: as large as it fits, at most `most` times the font's own dots, in as
    /// many lines as that takes.
    fn text(&mut self, text: &str, top: usize, height: usize, most: usize, colour: u8) {
        let room = |scale: usize| height / (16 * scale);
        let (scale, lines) = (1..=most)
            .rev()
            .map(|scale| (scale, lines(text, LINE / scale)))
            .find(|(scale, lines)| lines.len() <= room(*scale))
            .unwrap_or_else(|| (1, lines(text, LINE)));
        let mut y = top + height.saturating_sub(lines.len() * 16 * scale) / 2;
        for line in lines.iter().take(room(scale)) {
            let mut x = (WIDE - wide(line) * scale) / 2;
            for glyph in line {
                for (dy, dx) in (0..16).flat_map(|dy| (0..glyph.get_width()).map(move |dx| (dy, dx))) {
                    if glyph.get_pixel(dx, dy) {
                        self.fill(x + dx * scale, y + dy * scale, scale, scale, colour);
                    }
                }
                x += glyph.get_width() * scale;
            }
            y += 16 * scale;
        }
    }
}

fn wide(line: &[&Glyph]) -> usize {
    line.iter().map(|glyph| glyph.get_width()).sum()
}

/// A text in lines of at most so many of the font's own dots, broken at a blank where there is one.
fn lines(text: &str, most: usize) -> Vec<Vec<&'static Glyph>> {
    let glyph = |c: char| get_glyph(c).or_else(|| get_glyph('□'));
    let mut lines = Vec::new();
    let mut rest: Vec<_> = text.chars().filter_map(|c| Some((c, glyph(c)?))).collect();
    while !rest.is_empty() {
        let mut taken = 0;
        let fits = rest.iter().take_while(|(_, glyph)| {
            taken += glyph.get_width();
            taken <= most
        });
        let fits = fits.count().max(1);
        let blank = rest[..fits].iter().rposition(|(c, _)| *c == ' ');
        let end = if fits == rest.len() {
            fits
        } else {
            blank.filter(|at| *at > 0).unwrap_or(fits)
        };
        lines.push(rest.drain(..end).map(|(_, glyph)| glyph).collect());
        while rest.first().is_some_and(|(c, _)| *c == ' ') {
            rest.remove(0);
        }
    }
    lines
}

/// The plate in dots.
pub(crate) fn png(plate: &Plate) -> Result<Vec<u8>, DrawError> {
    let (dark, width) = fields(&plate.url)?;
    let (dot, mut canvas) = (SIDE / width, Canvas(vec![2; WIDE * HIGH]));
    canvas.text(CALL, 24, 72, 4, 0);
    canvas.fill(30, 116, WIDE - 60, FOOT - 116, 0);
    let amount = plate.amount.map(|amount| format!("¥ {}", amount.to_yuan()));
    let lines = [
        (Some(&plate.name), 68, 4),
        (plate.title.as_ref(), 64, 3),
        (amount.as_ref(), 64, 4),
    ];
    let lines = lines.map(|(text, height, most)| text.map(|text| (text, height, most)));
    let high: usize = lines.iter().flatten().map(|(_, height, _)| height + 8).sum();
    let mut top = 120 + (TOP - 160_usize).saturating_sub(high) / 2;
    for (text, height, most) in lines.into_iter().flatten() {
        canvas.text(text, top, height, most, 1);
        top += height + 8;
    }
    let left = (WIDE - dot * width) / 2;
    for (n, _) in dark.iter().enumerate().filter(|(_, dark)| **dark) {
        canvas.fill(left + n % width * dot, TOP + n / width * dot, dot, dot, 1);
    }
    canvas.text(&plate.id, FOOT - 44, 32, 2, 1);
    canvas.text(&plate.wallets, FOOT + 18, 64, 2, 0);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, WIDE as u32, HIGH as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![255, 255, 255, 0x17, 0x21, 0x1c, 0x0b, 0x7a, 0x4b]);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: 6857,
        yppu: 6857,
        unit: png::Unit::Meter,
    })); // 105 mm wide
    encoder.write_header()?.write_image_data(&canvas.0)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate() -> Plate {
        Plate {
            name: "老张<奶茶>&店".into(),
            title: Some("一号桌".into()),
            wallets: "微信支付 · 浏览器".into(),
            amount: Some(Amount::from_fen(1250)),
            url: "https://q.pay.example/q/0123456789abcdef".into(),
            id: "0123456789abcdef".into(),
        }
    }

    #[test]
    fn the_svg_names_the_merchant_and_its_text_is_escaped() {
        let drawn = svg(&plate()).expect("drawn");
        assert!(
            drawn.contains("老张&lt;奶茶&gt;&amp;店")
                && drawn.contains(">一号桌<")
                && drawn.contains(">¥ 12.50<")
                && !drawn.contains("<奶茶>")
        );
    }

    #[test]
    fn every_dark_field_is_in_the_path_once_and_in_the_png() {
        let text = plate().url;
        let (dark, width) = fields(&text).expect("fits");
        let (d, same) = path(&text).expect("fits");
        let drawn: usize = d
            .split('h')
            .skip(1)
            .step_by(2)
            .map(|run| {
                run.split('v')
                    .next()
                    .and_then(|n| n.parse::<usize>().ok())
                    .expect("a run")
            })
            .sum();
        assert_eq!((drawn, same), (dark.iter().filter(|d| **d).count(), width));
        let dots = dots(&plate());
        let (dot, left) = (SIDE / width, (WIDE - SIDE / width * width) / 2);
        let at =
            |n: usize| dots[(TOP + n / width * dot + dot / 2) * WIDE + left + n % width * dot + dot / 2] == 1;
        assert!(
            (0..dark.len()).all(|n| at(n) == dark[n]),
            "the picture is not the code"
        );
        assert!(
            dots[130 * WIDE..180 * WIDE].contains(&1),
            "the merchant's name is not there"
        );
    }

    fn dots(plate: &Plate) -> Vec<u8> {
        let bytes = png(plate).expect("drawn");
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let mut dots = vec![0; reader.output_buffer_size().expect("small")];
        reader.next_frame(&mut dots).expect("whole");
        dots
    }

    /// The lowest line of a colour above a row, from and to.
    fn lowest(dots: &[u8], colour: u8, above: usize) -> (usize, usize) {
        let inked = |y: &usize| dots[y * WIDE..(y + 1) * WIDE].contains(&colour);
        let last = (0..above).rev().find(inked).expect("something stands there");
        let first = (0..last).rev().find(|y| !inked(y)).expect("and ends");
        (first + 1, last)
    }

    #[test]
    fn a_long_title_shrinks_no_amount_and_nothing_stands_at_the_cut() {
        for title in [
            "",
            "一号桌",
            &"长".repeat(40),
            &"W".repeat(40),
            &"Old Zhang's milk tea ".repeat(2)[..40],
        ] {
            let plate = Plate {
                title: Some(title.to_owned()).filter(|title| !title.is_empty()),
                name: "茶".repeat(64),
                ..plate()
            };
            let dots = dots(&plate);
            let (first, last) = lowest(&dots, 1, TOP);
            // Digits of the font are ten dots high: they stand four times as large, 5 mm or more, and apart from the code.
            assert!(last - first >= 35 && last + 28 < TOP, "{title}: {first}..{last}");
            let (first, last) = lowest(&dots, 0, HIGH);
            assert!(first > FOOT + 20 && last < HIGH - 30, "{title}: {first}..{last}");
            let edge = |y: usize| {
                dots[y * WIDE..y * WIDE + 30]
                    .iter()
                    .chain(&dots[(y + 1) * WIDE - 30..(y + 1) * WIDE])
                    .all(|dot| *dot == 2)
            };
            assert!((0..HIGH).all(edge), "{title}: something stands at the edge");
            let svg = svg(&plate).expect("drawn");
            assert!(
                svg.contains("font-size=\"68\" font-weight=\"700\" fill=\"#17211c\">¥ 12.50<"),
                "{svg}"
            );
        }
    }
}
