//! Sentences about cron expressions.
