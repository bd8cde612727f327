//! `Content-Encoding`: bodies are compressed here, so that no proxy has to, and
//! our entity tags stay strong.
//!
//! # Guarantees
//! The same state in another coding has another tag, with `-gz` at the end of
//! it, and the same bytes each time. Nobody gets a coding that they did not say
//! they take. No thread that serves others compresses anything large.
//! # Not here
//! Parts of things and streams: they are sent as they are. Bodies of requests:
//! [`super::body`].

use std::io::{self, Write as _};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::error;
use warp::reply::Response;

use super::timing::{Step, Timing};
use super::vary;

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// By gzip (RFC 9110, 8.4.1.3).
    Gzip,
}

impl Coding {
    /// What a tag has at its end for a body in this coding.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gz",
        }
    }
}

/// The smallest body that is compressed, in bytes: what fits into one packet
/// gets there no sooner for being smaller.
const BYTES_MIN: usize = 1024;

/// The largest body that is compressed where it stands, in bytes: that takes
/// about as long as handing it to another thread and back.
const BYTES_INLINE_MAX: usize = 16 * 1024;

/// JSON loses most of its size at once, and little more to patience.
const EFFORT: Compression = Compression::fast();

/// Which codings a client takes, and which it likes better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    gzip: Weight,
    /// `None` where nothing is said: good enough, if there is nothing better.
    identity: Option<Weight>,
}

/// A weight in thousandths (RFC 9110, 12.4.2).
type Weight = u16;

impl Accepted {
    /// Reads `Accept-Encoding` (RFC 9110, 12.5.3). Who does not send it may take
    /// anything, and may not know what to do with it: they get what is sure.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let (mut gzip, mut identity, mut others) = (None, None, None);
        for value in headers.get_all(ACCEPT_ENCODING) {
            for element in value.to_str().unwrap_or_default().split(',') {
                let (coding, weight) = read(element);
                if ["gzip", "x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name)) {
                    gzip = Some(weight);
                } else if coding.eq_ignore_ascii_case("identity") {
                    identity = Some(weight);
                } else if coding == "*" {
                    others = Some(weight);
                }
            }
        }
        Self { gzip: gzip.or(others).unwrap_or(0), identity: identity.or(others) }
    }

    /// How a body of so many bytes is sent.
    pub(super) fn best(self, bytes: usize) -> Coding {
        let is_liked = self.gzip > 0 && self.identity.is_none_or(|identity| self.gzip >= identity);
        let pays = bytes >= BYTES_MIN || self.identity == Some(0);
        if is_liked && pays { Coding::Gzip } else { Coding::Identity }
    }

    /// The codings in which a client can have kept a body of so many bytes, the
    /// one in which it would be sent first.
    pub(super) fn kept(self, bytes: usize) -> impl Iterator<Item = Coding> {
        let best = self.best(bytes);
        let other = match best {
            Coding::Gzip if self.identity != Some(0) => Some(Coding::Identity),
            Coding::Identity if self.gzip > 0 => Some(Coding::Gzip),
            Coding::Gzip | Coding::Identity => None,
        };
        std::iter::once(best).chain(other)
    }
}

/// An element of `Accept-Encoding`: a coding, and how much it is liked. A weight
/// that is none counts as 0, so that nobody is sent what they may have refused.
fn read(element: &str) -> (&str, Weight) {
    let mut parts = element.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()).unwrap_or(0))
    });
    (coding, weight.unwrap_or(1000))
}

/// `0.5` as 500; `None` for what is no weight.
fn thousandths(text: &str) -> Option<Weight> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !is_digits {
        return None;
    }
    let weight = whole + format!("{fraction:0<3}").parse::<Weight>().ok()?;
    (weight <= 1000).then_some(weight)
}

/// Compresses answers.
#[derive(Debug)]
pub(super) struct Coder {
    /// As many at once as there are processors; the rest wait their turn, and
    /// hold nobody up who has nothing to be compressed.
    turns: Arc<Semaphore>,
}

impl Default for Coder {
    fn default() -> Self {
        let turns = available_parallelism().map_or(1, NonZero::get);
        Self { turns: Arc::new(Semaphore::new(turns)) }
    }
}

impl Coder {
    /// The answer in the coding that its client likes best.
    pub(super) async fn encode(&self, headers: &HeaderMap, mut response: Response, timing: &Timing) -> Response {
        if !can_be_coded(&response) {
            return response;
        }
        vary::also(response.headers_mut(), "Accept-Encoding");
        let Some(bytes) = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()) else {
            return response;
        };
        match Accepted::from_headers(headers).best(bytes) {
            Coding::Identity => response,
            Coding::Gzip => timing.of(Step::Encode, self.gzipped(response)).await,
        }
    }

    async fn gzipped(&self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        let Ok(plain) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            error!("a body that was in memory could not be read");
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            return Response::from_parts(head, Bytes::new().into());
        };
        match self.compress(plain.clone()).await {
            Ok(coded) if coded.len() < plain.len() => {
                head.headers.remove(CONTENT_LENGTH);
                head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                if head.status.is_success() {
                    mark(&mut head.headers);
                }
                Response::from_parts(head, coded.into())
            }
            Ok(_) => Response::from_parts(head, plain.into()),
            Err(error) => {
                error!(%error, "a body could not be compressed");
                Response::from_parts(head, plain.into())
            }
        }
    }

    async fn compress(&self, plain: Bytes) -> io::Result<Bytes> {
        if plain.len() <= BYTES_INLINE_MAX {
            return gzip(&plain);
        }
        let turns = Arc::clone(&self.turns);
        let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
        let compressing = spawn_blocking(move || {
            let coded = gzip(&plain);
            drop(turn);
            coded
        });
        compressing.await.map_err(io::Error::other)?
    }
}

/// Whether a body of this kind is ever compressed: one that is whole, is text,
/// and is not coded already.
fn can_be_coded(response: &Response) -> bool {
    let headers = response.headers();
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_text = media == "text/html" || media == "application/json" || media.ends_with("+json");
    let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
    is_text && !is_part && !headers.contains_key(CONTENT_ENCODING)
}

/// Gives the tag its suffix: other bytes, another tag (RFC 9110, 8.8.3.3).
fn mark(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"').map(str::to_owned)) else {
        return;
    };
    if let Ok(tag) = HeaderValue::try_from(format!("{tag}{}\"", Coding::Gzip.suffix())) {
        headers.insert(ETAG, tag);
    }
}

/// The same bytes become the same bytes: no time is put in, nor any name.
fn gzip(plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), EFFORT);
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn accepted(values: &[&str]) -> Accepted {
        let headers =
            values.iter().map(|value| (ACCEPT_ENCODING, HeaderValue::from_str(value).expect("a value"))).collect();
        Accepted::from_headers(&headers)
    }

    #[test]
    fn gzip_is_sent_to_those_who_say_that_they_take_it_and_like_nothing_better() {
        use Coding::{Gzip, Identity};
        for (values, large, small) in [
            (&[][..], Identity, Identity),
            (&[""], Identity, Identity),
            (&["gzip"], Gzip, Identity),
            (&["GZIP"], Gzip, Identity),
            (&["x-gzip"], Gzip, Identity),
            (&["gzip, deflate, br"], Gzip, Identity),
            (&["deflate", "gzip"], Gzip, Identity),
            (&["br, deflate"], Identity, Identity),
            (&["*"], Gzip, Identity),
            (&["*;q=0.5"], Gzip, Identity),
            (&["*;q=0"], Identity, Identity),
            (&["gzip;q=0"], Identity, Identity),
            (&["gzip;q=0.000, *"], Identity, Identity),
            (&["gzip ; q=0.001"], Gzip, Identity),
            (&["gzip;q=1.000"], Gzip, Identity),
            (&["gzip;Q=0.5, identity"], Identity, Identity),
            (&["gzip;q=0.5, identity;q=0.5"], Gzip, Identity),
            (&["gzip;q=0.5, identity;q=0.4"], Gzip, Identity),
            (&["gzip;q=0.5, *;q=1"], Identity, Identity),
            // What is refused is not sent, if there is anything else.
            (&["gzip, identity;q=0"], Gzip, Gzip),
            (&["gzip, *;q=0"], Gzip, Gzip),
            (&["identity;q=0"], Identity, Identity),
            // No weights.
            (&["gzip;q=2"], Identity, Identity),
            (&["gzip;q=x"], Identity, Identity),
            (&["gzip;q="], Identity, Identity),
            (&["gzip;q=1.001"], Identity, Identity),
            (&["gzip;q=0.0001"], Identity, Identity),
            (&["gzip;q=0.+1"], Identity, Identity),
        ] {
            let accepted = accepted(values);
            assert_eq!((accepted.best(BYTES_MIN), accepted.best(BYTES_MIN - 1)), (large, small), "{values:?}");
        }
    }

    #[test]
    fn what_a_client_can_have_kept_is_what_it_takes() {
        use Coding::{Gzip, Identity};
        for (value, bytes, kept) in [
            ("gzip", BYTES_MIN, &[Gzip, Identity][..]),
            ("gzip", 1, &[Identity, Gzip]),
            ("br", BYTES_MIN, &[Identity]),
            ("gzip;q=0.1, identity", BYTES_MIN, &[Identity, Gzip]),
            ("gzip, identity;q=0", BYTES_MIN, &[Gzip]),
            ("identity;q=0", BYTES_MIN, &[Identity]),
        ] {
            assert_eq!(accepted(&[value]).kept(bytes).collect::<Vec<_>>(), kept, "{value}");
        }
    }

    fn answer(media: &'static str, body: Vec<u8>) -> Response {
        let mut response = Response::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"7.31\""));
        response
    }

    async fn encoded(response: Response) -> Response {
        let headers = [(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))].into_iter().collect();
        Coder::default().encode(&headers, response, &Timing::start()).await
    }

    #[tokio::test]
    async fn what_is_whole_and_text_is_compressed_and_nothing_else() {
        let text = || b"woof ".repeat(1000);
        for (media, coded) in [
            ("application/json", true),
            ("application/problem+json", true),
            ("application/schema+json; charset=utf-8", true),
            ("text/html; charset=utf-8", true),
            ("text/plain; charset=utf-8", false),
            ("text/event-stream", false),
            ("image/png", false),
        ] {
            let response = encoded(answer(media, text())).await;
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), coded, "{media}");
            assert_eq!(response.headers().contains_key(http::header::VARY), coded, "{media}");
            let tag = if coded { "\"7.31-gz\"" } else { "\"7.31\"" };
            assert_eq!(response.headers()[ETAG], tag, "{media}");
        }
        let mut part = answer("application/json", text());
        *part.status_mut() = StatusCode::PARTIAL_CONTENT;
        assert!(!encoded(part).await.headers().contains_key(CONTENT_ENCODING));
        let mut refused = answer("application/problem+json", text());
        *refused.status_mut() = StatusCode::PRECONDITION_FAILED;
        // Here the tag is not the body's own, but what the next request should name.
        assert_eq!(encoded(refused).await.headers()[ETAG], "\"7.31\"");
    }

    #[tokio::test]
    async fn what_does_not_get_smaller_stays_as_it_is() {
        let noise: Vec<u8> = (0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let noise = gzip(&noise).expect("compressed").to_vec();
        let response = encoded(answer("application/json", noise.clone())).await;
        assert_eq!(response.headers()[ETAG], "\"7.31\"");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), noise);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back_whole(text in ".{0,200}", times in 1_usize..400) {
            let plain = text.repeat(times);
            let coded = gzip(plain.as_bytes()).expect("compressed");
            prop_assert_eq!(&coded, &gzip(plain.as_bytes()).expect("compressed"), "the same bytes each time");
            let mut read = String::new();
            flate2::read::GzDecoder::new(&coded[..]).read_to_string(&mut read).expect("gzip");
            prop_assert_eq!(read, plain);
        }

        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,40}") {
            let _ = accepted(&[&value]).kept(BYTES_MIN).count();
        }
    }
}
