//! Who asks (`Authorization`), and whether their role lets them.
//!
//! # Guarantees
//! Which role may do what is one table, [`needed`] and [`may`], and no handler
//! asks again, but for PATCH of a job, whose body says which of two it is. A token is compared by its digest, so that the time it takes
//! says nothing about any token.
//! # Not here
//! Which pages may ask: [`super::origin`] and [`super::cors`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use super::problem::{Kind, Problem};
use super::routes::{Route, Verb};
use crate::domain::principal::{Access, Role, TokenDigest};

/// The challenges of a 401. The second one makes a browser ask its user.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"heeler\", Basic realm=\"heeler\"");

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Principal<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// What they are there for.
    pub(super) role: Role,
}

impl Principal<'static> {
    /// The one principal that there is while nobody has to say who they are.
    const ANONYMOUS: Self = Self { name: "anonymous", role: Role::Admin };
    /// Whoever asks for what needs no token.
    const PASSER_BY: Self = Self { name: "anonymous", role: Role::Reader };
}

/// What a request needs its principal to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// Nothing: no token either.
    Nothing,
    /// To look.
    Reading,
    /// To change.
    Changing,
    /// To do the work of jobs.
    Working,
    /// To have everything.
    Administering,
    /// One of both: the body says which, and it is judged once that is read.
    ChangingOrWorking,
}

/// What a method on a route needs. A new route is let in nowhere before it is
/// decided here who may.
const fn needed(route: &Route, verb: Verb) -> Needed {
    match route {
        Route::Leases(_) => match verb {
            Verb::Get | Verb::Options => Needed::Reading,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => Needed::Working,
        },
        Route::Job(_) | Route::ActivityJob(..) => match verb {
            Verb::Get | Verb::Options => Needed::Reading,
            Verb::Patch => Needed::ChangingOrWorking,
            Verb::Post | Verb::Put | Verb::Delete => Needed::Changing,
        },
        // What the operator alone may read: everything at once.
        Route::Backup => Needed::Administering,
        // Whoever looks after processes has no token, and learns nothing but whether this one is well.
        Route::Health | Route::Ready => Needed::Nothing,
        Route::Home
        | Route::Server
        | Route::Metrics
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Problem(_)
        | Route::Collection(_)
        | Route::Resource(_)
        | Route::Activity(..)
        | Route::EditableActivity(..)
        | Route::Form(..)
        | Route::Ticks(..)
        | Route::Member(..)
        | Route::LastJob(..)
        | Route::Jobs
        | Route::JobLog(_)
        | Route::JobQueue(_)
        | Route::Operations
        | Route::Operation(_) => match verb {
            Verb::Get | Verb::Options => Needed::Reading,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => Needed::Changing,
        },
    }
}

/// What a role may do.
const fn may(role: Role, needed: Needed) -> bool {
    match (role, needed) {
        (_, Needed::Nothing | Needed::Reading)
        | (Role::Writer | Role::Admin, Needed::Changing | Needed::ChangingOrWorking)
        | (Role::Worker | Role::Admin, Needed::Working)
        | (Role::Worker, Needed::ChangingOrWorking)
        | (Role::Admin, Needed::Administering) => true,
        (Role::Reader | Role::Worker | Role::Writer, Needed::Administering)
        | (Role::Reader | Role::Worker, Needed::Changing)
        | (Role::Reader | Role::Writer, Needed::Working)
        | (Role::Reader, Needed::ChangingOrWorking) => false,
    }
}

/// Judges whether who changes a job may cancel it.
pub(super) fn judge_cancel(principal: Principal<'_>) -> Result<(), Problem> {
    judge_role(principal, Needed::Changing)
}

/// Judges whether who changes a job may report of its attempt.
pub(super) fn judge_report(principal: Principal<'_>) -> Result<(), Problem> {
    judge_role(principal, Needed::Working)
}

fn judge_role(principal: Principal<'_>, needed: Needed) -> Result<(), Problem> {
    if may(principal.role, needed) {
        return Ok(());
    }
    let Principal { name, role } = principal;
    let may = match role {
        Role::Reader => "only look",
        Role::Writer => "change what is wanted, but not do the work",
        Role::Worker => "do the work, but not change what is wanted",
        Role::Admin => "do everything",
    };
    Err(Problem::new(Kind::Forbidden, format!("`{name}` is a {}, and may {may}", role.as_str())))
}

/// Finds out who asks, and judges whether they may.
pub(super) fn judge<'a>(
    access: &'a Access,
    route: &Route,
    verb: Verb,
    headers: &HeaderMap,
) -> Result<Principal<'a>, Problem> {
    let needed = needed(route, verb);
    let holders = match access {
        Access::Anyone => return Ok(Principal::ANONYMOUS),
        Access::Holders(_) if needed == Needed::Nothing => return Ok(Principal::PASSER_BY),
        Access::Holders(holders) => holders,
    };
    let shown = shown(headers)?;
    let holder = holders
        .iter()
        .find(|holder| holder.digest == shown)
        .ok_or_else(|| unauthorized("the token is none of those that may ask here"))?;
    let principal = Principal { name: holder.name.as_str(), role: holder.role };
    judge_role(principal, needed).map(|()| principal)
}

/// The token that a request shows, as its digest.
fn shown(headers: &HeaderMap) -> Result<TokenDigest, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (None, _) => return Err(unauthorized("the request does not say who asks: send a token in `Authorization`")),
        (Some(_), Some(_)) => return Err(unauthorized("the request has more than one `Authorization`")),
    };
    digest(value)
        .ok_or_else(|| unauthorized("`Authorization` is neither `Bearer TOKEN` nor `Basic` with it as the password"))
}

fn digest(value: &HeaderValue) -> Option<TokenDigest> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if credentials.is_empty() {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(TokenDigest::of(credentials.as_bytes()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(credentials).ok()?;
        // The name of the user says nothing: it ends at the first colon (RFC 7617, 2).
        let colon = pair.iter().position(|byte| *byte == b':')?;
        let password = &pair[colon + 1..];
        return (!password.is_empty()).then(|| TokenDigest::of(password));
    }
    None
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Kind::Unauthorized, detail).header(WWW_AUTHENTICATE, CHALLENGE)
}

#[cfg(test)]
mod tests;
