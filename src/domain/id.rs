//! Names and identifiers. Whoever holds one need not check it again.
//!
//! `FromStr` (or a named constructor) is the only way in, and deserialization
//! goes through it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::Timestamp;

/// A name or identifier that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not a {what}: {expected}")]
pub struct ParseIdError {
    what: &'static str,
    expected: &'static str,
    input: String,
}

impl ParseIdError {
    /// What would have been accepted, as a phrase.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }
}

/// The longest name or id, in bytes.
///
/// Keys of the store are made of these, and a key must stay small.
pub const NAME_BYTES_MAX: usize = 128;

fn is_name(input: &str) -> bool {
    let mut bytes = input.bytes();
    input.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_resource_id(input: &str) -> bool {
    let mut bytes = input.bytes();
    input.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"._~:@-".contains(&b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $pattern:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "maxLength": NAME_BYTES_MAX, "description": $expected })
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(input: &str) -> Result<Self, ParseIdError> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(input) {
                    Ok(Self(input.into()))
                } else {
                    Err(ParseIdError { what: $what, expected: $expected, input: input.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(input: String) -> Result<Self, ParseIdError> {
                input.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a collection, such as `videos`.
    CollectionName,
    "collection name",
    "a letter, then letters, digits, `_` or `-`, at most 128; not `jobs`, `operations` or `admin`",
    "^[A-Za-z_][A-Za-z0-9_-]*$",
    |input| is_name(input) && !matches!(input, "jobs" | "operations" | "admin")
);
name!(
    /// The name of an activity, which is the name of a member of the document.
    ActivityName,
    "activity name",
    "a letter, then letters, digits, `_` or `-`, at most 128",
    "^[A-Za-z_][A-Za-z0-9_-]*$",
    is_name
);
name!(
    /// The name of an operation, such as `transcode`.
    OperationName,
    "operation name",
    "a letter, then letters, digits, `_` or `-`, at most 128",
    "^[A-Za-z_][A-Za-z0-9_-]*$",
    is_name
);
name!(
    /// The name of a principal: who asks.
    PrincipalName,
    "principal name",
    "a letter, then letters, digits, `_` or `-`, at most 128; not `anonymous`",
    "^[A-Za-z_][A-Za-z0-9_-]*$",
    |input| is_name(input) && input != "anonymous"
);
name!(
    /// The id of a resource within its collection.
    ResourceId,
    "resource id",
    "a letter or digit, then letters, digits or any of `._~:@-`, at most 128 in all",
    "^[A-Za-z0-9][A-Za-z0-9._~:@-]*$",
    is_resource_id
);

/// Where a resource is: its collection and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The collection.
    pub collection: CollectionName,
    /// The id within it.
    pub id: ResourceId,
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The sixteen bytes, which sort as the ids do.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id with these sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": "uuid",
                    "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                    "description": $what,
                })
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            /// Takes the hyphenated lower-case form alone, so that an id has one spelling.
            fn from_str(input: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(input)
                    .ok()
                    .filter(|uuid| uuid.hyphenated().to_string() == input)
                    .map(Self)
                    .ok_or_else(|| ParseIdError {
                        what: $what,
                        expected: "a lower-case hyphenated UUID",
                        input: input.to_owned(),
                    })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

uuid_id!(
    /// One incarnation of a resource: new with each creation (UUIDv7).
    Uid,
    "uid"
);
uuid_id!(
    /// A job (UUIDv7: ids sort by the time at which they were made).
    JobId,
    "job id"
);

impl JobId {
    /// When the job was made, as far as its id says.
    #[must_use]
    pub fn made(&self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = *self.as_bytes();
        let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        // 48 bits, so it always fits.
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// The secret that one attempt holds, and that its reports must name.
///
/// A new attempt gets a new token, so a report of an older one is recognised
/// as stale whenever it arrives. Not shown to readers of a job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(Uuid);

impl Token {
    /// The token with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The token that is written so; `None` where none is.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let is_plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Uuid::try_parse(text).ok().filter(|_| is_plain).map(Self)
    }

    /// The token in the form that its attempt is given.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.simple().to_string()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_wire_says_it_is() {
        for good in ["a", "7", "a.b_c~d:e@f-g", "ABC", &"x".repeat(128)] {
            assert!(good.parse::<ResourceId>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "ä", "a\0", &"x".repeat(129)] {
            assert!(bad.parse::<ResourceId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_schemas_of_names_and_ids_take_what_is_taken() {
        fn agree<T: JsonSchema + FromStr>() {
            let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
            let schema = crate::domain::schema::Schema::compile(schema).expect("a schema");
            let (long, longer) = ("x".repeat(128), "x".repeat(129));
            let id = "01890a5d-ac96-774b-bcce-b302099a8057";
            let upper = id.to_uppercase();
            for text in ["", "a", "7", "_a", "a-b_c", "a.b", ".a", "a b", "a/b", "ä", "a\n", &long, &longer, id, &upper]
            {
                assert_eq!(text.parse::<T>().is_ok(), schema.validate(&text.into()).is_empty(), "{text:?}");
            }
        }
        agree::<ResourceId>();
        agree::<CollectionName>();
        agree::<ActivityName>();
        agree::<OperationName>();
        agree::<JobId>();
        agree::<Uid>();
    }

    #[test]
    fn a_collection_cannot_take_a_name_that_the_service_uses() {
        for reserved in ["jobs", "operations", "admin", "", "1a", "a/b"] {
            assert!(reserved.parse::<CollectionName>().is_err(), "{reserved}");
        }
        assert!("videos".parse::<CollectionName>().is_ok());
    }

    #[test]
    fn a_job_id_has_one_spelling() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(id.parse::<JobId>().expect("a uuid").to_string(), id);
        assert!(id.to_uppercase().parse::<JobId>().is_err());
        assert!(id.replace('-', "").parse::<JobId>().is_err());
    }

    #[test]
    fn a_token_does_not_show_itself_when_printed() {
        let token = Token::from_bytes([7; 16]);
        assert!(!format!("{token:?}").contains("07"));
        assert!(token.reveal().contains("07"));
    }
}
