//! HTML, written so that nothing of what it shows can become a part of it.
//!
//! # Guarantees
//! Names of elements and attributes come from this program. Everything else is
//! escaped, wherever it stands.

/// A piece of HTML.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// The attributes of an element; those without a value are not there.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    /// The start of a document.
    pub(super) fn document() -> Self {
        Self("<!DOCTYPE html>\n".to_owned())
    }

    /// Text.
    pub(super) fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Nothing that a document may hold (HTML, 13.1.4), in whatever way it is written.
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                    self.0.push('\u{fffd}');
                }
                character => self.0.push(character),
            }
        }
    }

    /// An element with something in it.
    pub(super) fn element(&mut self, name: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.void(name, attributes);
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element with text in it.
    pub(super) fn say(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that cannot have anything in it.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push(' ');
            self.0.push_str(attribute);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// The style of a page, as it is: its digest is what allows it.
    pub(super) fn style(&mut self, style: &'static str) {
        self.0.push_str("<style>");
        self.0.push_str(style);
        self.0.push_str("</style>");
    }

    /// The end of a line, for who reads the source.
    pub(super) fn line(&mut self) {
        self.0.push('\n');
    }

    /// What was written.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_shown_is_text_wherever_it_stands() {
        let mut html = Html::default();
        let hostile = "</p><script>alert('x')</script>\" onload=\"&\0";
        html.say("p", &[("title", hostile)], hostile);
        let escaped = "&lt;/p&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload=&quot;&amp;\u{fffd}";
        assert_eq!(html.into_string(), format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    proptest! {
        #[test]
        fn no_text_holds_anything_that_means_something(text in any::<String>()) {
            let mut html = Html::default();
            html.text(&text);
            let written = html.into_string();
            prop_assert!(!written.contains(['<', '>', '"', '\'', '\0']));
        }
    }
}
