//! The grading kit: it starts a server, holds a conversation with it over HTTP
//! and WebSocket, writes down what was said, and compares that transcript with
//! the accepted one.
//!
//! Read in this order to learn how one tests a WebSocket server:
//! [`conversation`] (the vocabulary), [`socket`] and [`tab`] (a client and a
//! browser tab), [`transcript`] (the notation), [`server`] (a fresh process for
//! each exercise), [`grading`] (the verdicts). What is asked of each lesson
//! stands in `lesson_01.rs` and its siblings.

pub mod accepted;
pub mod answer;
pub mod bad_inputs;
pub mod bare_reader;
pub mod board;
pub mod browser;
pub mod building;
pub mod chapter;
pub mod colours;
pub mod conversation;
pub mod difference;
pub mod events;
pub mod filter;
pub mod flood;
pub mod grading;
pub mod harness;
pub mod head;
pub mod late_errors;
pub mod lesson;
pub mod member;
pub mod page;
pub mod panics;
pub mod port;
pub mod process;
pub mod programs;
pub mod redis_client;
pub mod redis_outages;
pub mod redis_server;
pub mod report;
pub mod request;
pub mod resources;
pub mod room;
pub mod server;
pub mod slow_readers;
pub mod socket;
pub mod source;
pub mod starters;
pub mod tab;
pub mod transcript;

pub mod lesson_01;
pub mod lesson_02;
pub mod lesson_03;
pub mod lesson_04;
pub mod lesson_05;
pub mod lesson_06;
pub mod lesson_07;
pub mod lesson_08;
