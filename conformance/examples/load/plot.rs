//! What do the growth curves look like?
//!
//! One panel for each curve, all axes from zero but the horizontal one of connections, which is logarithmic.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A curve of the data, and how its panel is labelled.
const PANELS: [(&str, &str, Scale); 3] = [
    ("us-request-by-connections", "connections, 64 of them active", Scale::Log),
    ("us-request-by-fields", "fields of 80 octets", Scale::Linear),
    ("us-request-by-pieces", "pieces that a head of 800 octets comes in", Scale::Linear),
];
const COLOURS: [&str; 2] = ["#b3123f", "#1f4e8c"];
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 150.0;
const GAP: f64 = 60.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

/// Draws the data as SVG.
pub(crate) fn run(data: &Path, svg: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(data)?;
    let mut curves: BTreeMap<(&str, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split(',');
        let mut part = || parts.next().ok_or_else(|| format!("not a figure: {line}"));
        let (curve, set_up, at, figure) = (part()?, part()?, part()?.parse()?, part()?.parse()?);
        curves.entry((curve, set_up)).or_default().push((at, figure));
    }
    let width = PANELS.len() as f64 * (WIDTH + GAP) + 10.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        HEIGHT + 80.0
    );
    for (i, (curve, label, scale)) in PANELS.into_iter().enumerate() {
        let left = GAP + i as f64 * (WIDTH + GAP) - 10.0;
        panel(&mut out, left, label, scale, curves.iter().filter(|((name, _), _)| *name == curve))?;
    }
    out.push_str("</svg>\n");
    fs::write(svg, out)?;
    Ok(())
}

fn panel<'d>(
    out: &mut String,
    left: f64,
    label: &str,
    scale: Scale,
    curves: impl Iterator<Item = (&'d (&'d str, &'d str), &'d Vec<(f64, f64)>)> + Clone,
) -> Result<(), Box<dyn Error>> {
    let place = |at: f64| if scale == Scale::Log { at.log10() } else { at };
    let all = || curves.clone().flat_map(|(_, points)| points.iter().copied());
    let first = if scale == Scale::Log { all().map(|(at, _)| place(at)).fold(f64::INFINITY, f64::min) } else { 0.0 };
    let last = all().map(|(at, _)| place(at)).fold(first, f64::max);
    let most = all().map(|(_, figure)| figure).fold(0.0, f64::max) * 1.1;
    let x = |at: f64| left + (place(at) - first) / (last - first) * WIDTH;
    let y = |figure: f64| 20.0 + HEIGHT - figure / most * HEIGHT;
    let bottom = y(0.0);
    writeln!(out, "<path d=\"M{left} 20V{bottom}H{}\" fill=\"none\" stroke=\"#888\"/>", left + WIDTH)?;
    writeln!(out, "<text x=\"{left}\" y=\"12\">µs of CPU a request</text>")?;
    let middle = left + WIDTH / 2.0;
    writeln!(out, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 32.0)?;
    for part in [0.5, 1.0] {
        let figure = most / 1.1 * part;
        writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{figure:.1}</text>",
            left - 4.0,
            y(figure) + 4.0
        )?;
    }
    for ((i, ((_, set_up), points)), colour) in curves.enumerate().zip(COLOURS) {
        let mut path = String::new();
        let mut labelled = f64::NEG_INFINITY;
        for (at, figure) in points {
            let (x, y) = (x(*at), y(*figure));
            write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" })?;
            writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>")?;
            if i == 0 && x - labelled > 25.0 {
                labelled = x;
                writeln!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{at}</text>", bottom + 15.0)?;
            }
        }
        writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\"/>")?;
        let line = bottom + 50.0;
        let at = left + i as f64 * 90.0;
        writeln!(out, "<text x=\"{at}\" y=\"{line}\" fill=\"{colour}\">{set_up}</text>")?;
    }
    Ok(())
}
