//! Members of documents, by path: each change is a JSON Patch of one
//! operation, so that every rule of the document holds.

use serde_json::Value;

use super::resources::{Presence, absent, tree};
use super::{Api, ApiError, ChangeRequest, View};
use crate::domain::change::ChangeError;
use crate::domain::id::ResourceKey;
use crate::domain::json::Pointer;
use crate::domain::patch::{Operation, PatchBody, PatchError};

/// How a document is to be changed.
pub(super) enum Edit<'a> {
    /// By this patch.
    Patch(&'a PatchBody),
    /// In one member.
    Member(MemberEdit<'a>),
}

/// A change of one member. What it is as an operation depends on what is
/// there in the moment of the change.
pub(super) struct MemberEdit<'a> {
    pointer: &'a Pointer,
    wish: Wish<'a>,
    found: Found,
}

enum Wish<'a> {
    Put(&'a Value),
    Remove,
}

/// Whether there was such a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There was.
    Present,
    /// There was not.
    Absent,
}

impl<'a> MemberEdit<'a> {
    const fn new(pointer: &'a Pointer, wish: Wish<'a>) -> Self {
        Self { pointer, wish, found: Found::Absent }
    }

    /// What it is of, and whether that must be there.
    pub(super) const fn target(&self) -> (&'a Pointer, Presence) {
        let presence = match self.wish {
            Wish::Put(_) => Presence::Optional,
            Wish::Remove => Presence::Needed,
        };
        (self.pointer, presence)
    }

    /// The operation that this change is, given the representation now.
    pub(super) fn operation(&mut self, key: &ResourceKey, shown: &Value) -> Result<Operation, ApiError> {
        let path = self.pointer.clone();
        self.found = found(shown, self.pointer);
        match (&self.wish, self.found) {
            (Wish::Put(value), Found::Present) => Ok(Operation::Replace { path, value: (*value).clone() }),
            // To add there would append, and what is put is at another path then.
            (Wish::Put(value), Found::Absent) if self.is_behind_an_array(shown) => {
                Ok(Operation::Replace { path, value: (*value).clone() })
            }
            (Wish::Put(value), Found::Absent) => Ok(Operation::Add { path, value: (*value).clone() }),
            (Wish::Remove, Found::Present) => Ok(Operation::Remove { path }),
            (Wish::Remove, Found::Absent) => Err(no_member(key, self.pointer)),
        }
    }

    fn is_behind_an_array(&self, shown: &Value) -> bool {
        let Some((last, above)) = self.pointer.tokens().split_last() else { return false };
        last == "-" && at(shown, &Pointer::new(above.to_vec())).is_some_and(Value::is_array)
    }

    /// What a refusal means to who knows nothing of patches.
    pub(super) fn fault(&self, error: ChangeError) -> ApiError {
        match error {
            ChangeError::Patch(PatchError::Missing { pointer, .. }) => {
                let detail = format!("there is no `{pointer}` that could hold `{}`: put that first", self.pointer);
                ApiError::NoPlace { pointer, detail }
            }
            ChangeError::Patch(PatchError::NotApplicable { pointer, detail, .. }) => {
                ApiError::NoPlace { detail: format!("`{pointer}`: {detail}"), pointer }
            }
            ChangeError::ReadOnly { pointer, .. } => {
                ApiError::ReadOnly { pointer, detail: "the service writes it".to_owned() }
            }
            ChangeError::Patch(_) | ChangeError::Invalid(_) | ChangeError::Forbidden { .. } => error.into(),
        }
    }
}

impl Api {
    /// A member of a resource's representation, with the validators of the whole.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn member(&self, key: &ResourceKey, pointer: &Pointer) -> Result<View, ApiError> {
        let whole = self.get(key).await?;
        member_of(&whole, pointer)?.ok_or_else(|| no_member(key, pointer))
    }

    /// Puts a value in the place of a member, or where there was none. What
    /// comes back is the whole representation.
    ///
    /// # Errors
    /// Those of [`Api::patch`], and `NoPlace`.
    pub async fn put_member(
        &self,
        key: &ResourceKey,
        pointer: &Pointer,
        value: &Value,
        request: &ChangeRequest,
    ) -> Result<(Found, View), ApiError> {
        let mut edit = Edit::Member(MemberEdit::new(pointer, Wish::Put(value)));
        let view = self.edit(key, &mut edit, request).await?;
        match edit {
            Edit::Member(member) => Ok((member.found, view)),
            Edit::Patch(_) => Err(absent(key)),
        }
    }

    /// Removes a member. What comes back is the representation that is left.
    ///
    /// # Errors
    /// Those of [`Api::patch`]; `NotFound` where there is no such member.
    pub async fn remove_member(
        &self,
        key: &ResourceKey,
        pointer: &Pointer,
        request: &ChangeRequest,
    ) -> Result<View, ApiError> {
        self.edit(key, &mut Edit::Member(MemberEdit::new(pointer, Wish::Remove)), request).await
    }
}

/// A member of a representation, if it has it.
///
/// # Errors
/// `Store`: what is shown is no JSON.
pub fn member_of(whole: &View, pointer: &Pointer) -> Result<Option<View>, ApiError> {
    let shown = tree(&whole.body)?;
    Ok(at(&shown, pointer).map(|value| View { body: value.to_string().into(), ..whole.clone() }))
}

/// Whether a representation has a member.
pub(super) fn found(shown: &Value, pointer: &Pointer) -> Found {
    if at(shown, pointer).is_some() { Found::Present } else { Found::Absent }
}

fn at<'v>(shown: &'v Value, pointer: &Pointer) -> Option<&'v Value> {
    pointer.get(shown.as_object()?)
}

pub(super) fn no_member(key: &ResourceKey, pointer: &Pointer) -> ApiError {
    ApiError::NotFound { what: format!("the member `{pointer}` of `{key}`") }
}
