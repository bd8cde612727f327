//! Work that is done by other services: what is sent to whom.
//!
//! # Guarantees
//! Where a request may go is decided by values alone ([`Allow::judge`]), so
//! that whoever connects can judge the very addresses that it connects to.
//! # Not here
//! Names and sockets.

mod address;
mod mail;
mod target;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::expression::{RenderError, Scope, Template};
pub use address::{Allow, HostFrom, Kind, ParseRangeError, Range};
pub use mail::{Credentials, Mailbox, ParseMailboxError, Relay, RelayTls};
pub use target::{Host, ParseTargetError, Scheme, Target, URL_BYTES_MAX, encode_segment};

/// A request to another service.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSpec {
    /// Where to.
    pub url: Template,
    /// How.
    pub method: HttpMethod,
    /// Header fields beside those that are always sent.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: RequestBody,
    /// The secrets that sign it, the newest first; none for no signature.
    pub signing: Vec<String>,
    /// Where it may go, beside what is public.
    pub allow: Allow,
    /// The most of an answer that is read, in bytes.
    pub answer_bytes_max: usize,
}

impl HttpSpec {
    /// Who chose the host: the operator, if all of it stands in the file.
    #[must_use]
    pub fn host_from(&self) -> HostFrom {
        let is_fixed = self.url.as_literal().is_some() || has_whole_authority(self.url.head());
        if is_fixed { HostFrom::File } else { HostFrom::Expression }
    }

    /// The URL for a job. What an expression gives behind the host stays one
    /// segment, or one value of the query, whatever it is.
    ///
    /// # Errors
    /// An expression has no value.
    pub fn url(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        self.url.render_by(
            scope,
            |before, value| {
                if has_whole_authority(before) { encode_segment(value) } else { value.to_owned() }
            },
        )
    }
}

/// Whether a URL that begins so has all of its host and port.
fn has_whole_authority(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']))
}

/// The methods of requests that do work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET, without a body.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE, without a body.
    Delete,
}

impl HttpMethod {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("GET", Self::Get),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request with it has a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch => true,
            Self::Get | Self::Delete => false,
        }
    }
}

/// The shortest key that signs, in bytes: what Standard Webhooks asks for.
pub const SIGNING_KEY_BYTES_MIN: usize = 24;

/// The key that a secret holds: of `whsec_…` what it encodes in base64, of any
/// other text its bytes. `None` if it is no such key, or too short.
#[must_use]
pub fn signing_key(secret: &str) -> Option<Vec<u8>> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    (key.len() >= SIGNING_KEY_BYTES_MIN).then_some(key)
}

/// What a request brings.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestBody {
    /// The job, as an event of CloudEvents 1.0 in JSON.
    Event,
    /// A text.
    Text(Template),
    /// A JSON value.
    Json(JsonTemplate),
}

/// A JSON value with templates in the place of its strings.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// What stands for itself.
    Value(Value),
    /// A text; where it is one expression and nothing else, that expression's value.
    Text(Template),
    /// An array.
    Array(Vec<JsonTemplate>),
    /// An object, in the order of the file.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// The value for a job. No text in it can change its structure.
    ///
    /// # Errors
    /// An expression has no value.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Value, RenderError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Text(template) => template.value(scope),
            Self::Array(items) => items.iter().map(|item| item.render(scope)).collect(),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| Ok((name.clone(), value.render(scope)?));
                Ok(Value::Object(members.iter().map(member).collect::<Result<Map<_, _>, _>>()?))
            }
        }
    }
}

/// A letter.
#[derive(Debug, Clone, PartialEq)]
pub struct MailSpec {
    /// To whom; each gives one address.
    pub to: Vec<Template>,
    /// To whom else, for all to see.
    pub cc: Vec<Template>,
    /// To whom else, for nobody to see.
    pub bcc: Vec<Template>,
    /// Where answers go.
    pub reply_to: Option<Template>,
    /// What it is about, in one line.
    pub subject: Template,
    /// What it says.
    pub text: Template,
    /// The same with marks.
    pub html: Option<Template>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::secret::Secrets;

    fn spec(url: &str) -> HttpSpec {
        HttpSpec {
            url: Template::parse(url).expect("a template"),
            method: HttpMethod::Post,
            headers: Vec::new(),
            body: RequestBody::Event,
            signing: Vec::new(),
            allow: Allow::default(),
            answer_bytes_max: 1024,
        }
    }

    fn rendered(url: &str, x: &str) -> String {
        let (input, none) = (json!({ "x": x }), Secrets::none());
        let scope = Scope { input: &input, resource: &Value::Null, job: &Value::Null, secret: &none, env: &none };
        spec(url).url(&scope).expect("it has a value")
    }

    #[test]
    fn a_host_is_the_operators_only_if_all_of_it_stands_in_the_file() {
        for (url, from) in [
            ("https://hooks.example.com", HostFrom::File),
            ("https://hooks.example.com/${input.x}", HostFrom::File),
            ("https://hooks.example.com:8443?id=${input.x}", HostFrom::File),
            ("https://hooks.example.com${input.x}", HostFrom::Expression),
            ("https://hooks.example.com:${input.x}/", HostFrom::Expression),
            ("https://${input.x}.example.com/", HostFrom::Expression),
            ("${input.x}://hooks.example.com/", HostFrom::Expression),
            ("${input.x}", HostFrom::Expression),
            ("${input.x}/notify", HostFrom::Expression),
        ] {
            assert_eq!(spec(url).host_from(), from, "{url}");
        }
    }

    #[test]
    fn what_comes_behind_the_host_stays_one_segment() {
        for (url, x, want) in [
            ("https://h.example/n/${input.x}", "42", "https://h.example/n/42"),
            ("https://h.example/n/${input.x}", "../a?b#c%2f", "https://h.example/n/..%2Fa%3Fb%23c%252f"),
            ("https://h.example/?q=${input.x}", "a&b=c d", "https://h.example/?q=a%26b%3Dc%20d"),
            ("https://h.example/n/${input.x}", "\r\nX: ä", "https://h.example/n/%0D%0AX%3A%20%C3%A4"),
            ("${input.x}", "https://h.example/a/b?c", "https://h.example/a/b?c"),
            ("${input.x}/${input.x}", "https://h.example/a", "https://h.example/a/https%3A%2F%2Fh.example%2Fa"),
        ] {
            assert_eq!(rendered(url, x), want, "{url} with {x:?}");
        }
    }

    #[test]
    fn a_json_body_keeps_its_structure_and_the_types_of_its_values() {
        let body = JsonTemplate::Object(vec![
            ("text".to_owned(), JsonTemplate::Text(Template::parse("Woof, ${input.name}").expect("a template"))),
            ("tags".to_owned(), JsonTemplate::Text(Template::parse("${input.tags}").expect("a template"))),
            ("n".to_owned(), JsonTemplate::Array(vec![JsonTemplate::Value(json!(1))])),
        ]);
        let (input, none) = (json!({ "name": "\"}, {\"", "tags": ["a", { "b": null }] }), Secrets::none());
        let scope = Scope { input: &input, resource: &Value::Null, job: &Value::Null, secret: &none, env: &none };
        let want = json!({ "text": "Woof, \"}, {\"", "tags": ["a", { "b": null }], "n": [1] });
        assert_eq!(body.render(&scope), Ok(want));
    }
}
