//! `${…}` in the operator's file: plain paths into what a job is about.
//!
//! A template is text with paths such as `${input.preset}` or
//! `${resource.size.width}` in it. `$${` stands for a literal `${`.
