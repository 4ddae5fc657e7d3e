//! How does text of any origin become part of a page?

/// Text for an element or a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        escape_into(&mut out, c);
    }
    out
}

fn escape_into(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ => out.push(c),
    }
}

/// [Visible](crate::bytes::visible) octets as lines of the wire: escapes are marked, and a line ends after each `\n`.
pub(super) fn wire(visible: &str) -> String {
    let mut out = String::with_capacity(visible.len() * 2);
    let mut chars = visible.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            escape_into(&mut out, c);
            continue;
        }
        let kind = chars.next().unwrap_or('\\');
        out.push_str("<i>\\");
        escape_into(&mut out, kind);
        if kind == 'x' {
            for digit in chars.by_ref().take(2) {
                escape_into(&mut out, digit);
            }
        }
        out.push_str("</i>");
        if kind == 'n' {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::visible;

    #[test]
    fn nothing_escapes_from_the_escaping() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        assert_eq!(wire(&visible(b"<b>\r\n\\n\0<")), "&lt;b&gt;<i>\\r</i><i>\\n</i>\n<i>\\\\</i>n<i>\\x00</i>&lt;");
        assert_eq!(wire("\\"), "<i>\\\\</i>");
    }
}
