//! How to ask an activity for a job, and asking for one with a form.

use serde_json::json;
use warp::reply::Response;

use super::dispatch::Call;
use super::fixed::fixed;
use super::media::{Face, MediaType};
use super::problem::{Kind, Problem};
use super::{pages, percent};
use crate::api::links;
use crate::domain::id::{ActivityName, ResourceKey};

/// What a POST that launches a job can be.
pub(super) const TAKEN: &str = "application/json, application/x-www-form-urlencoded";

/// `/v1/{collection}/{id}/{activity}/form`
///
/// It depends on the document and on what the operator declares, and so has a
/// tag of its own.
pub(super) async fn form(call: &Call<'_>, key: &ResourceKey, activity: &ActivityName) -> Result<Response, Problem> {
    let ask = call.http.api.ask(key, activity).await?;
    let catalog = call.http.api.catalog();
    let target = links::activity(catalog, key, activity);
    if call.face == Face::Html {
        return Ok(pages::made(fixed(call, pages::form(&ask, &target, call.route, catalog))?, call.face));
    }
    let body = json!({
        "method": "POST",
        "target": target,
        "mediaType": MediaType::Json.as_str(),
        "schema": ask.schema(),
        "_links": {
            "self": { "href": links::form(catalog, key, activity) },
            "resource": { "href": links::resource(catalog, key) },
            "activity": { "href": target },
        },
    });
    fixed(call, body.to_string())
}

/// The fields of a form that was sent.
pub(super) fn read(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let malformed = || Problem::new(Kind::Malformed, "the form is not UTF-8 in percent-encoding");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = pairs.map(|(name, value)| Some((percent::decode_field(name)?, percent::decode_field(value)?)));
    decoded.map(|pair| pair.ok_or_else(malformed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let read = read(b"name=Rex+%26+Bella&&empty=&bare&caf%C3%A9=%2B").expect("a form");
        let pairs: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("name", "Rex & Bella"), ("empty", ""), ("bare", ""), ("café", "+")]);
        assert!(super::read(b"").expect("a form").is_empty());
    }

    #[test]
    fn what_is_not_percent_encoded_utf_8_is_malformed() {
        for body in [&b"a=%"[..], b"a=%zz", b"%ff=1", b"a=\xff"] {
            assert_eq!(read(body).expect_err("malformed").status().as_u16(), 400, "{body:?}");
        }
    }
}
