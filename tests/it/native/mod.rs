//! Functions of a program that embeds the service: what becomes of them, of
//! their jobs, and of the program.

mod builder;
mod ends;
mod example;
mod killed;
mod runner;
mod together;
mod works;
mod world;
