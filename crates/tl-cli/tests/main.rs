//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod support;

mod adapt;
mod adapters;
mod book;
mod calibrated;
mod careful;
mod chain;
mod compare;
mod completions;
mod earlier;
mod embedding;
mod export;
mod faults;
mod faulty_texts;
mod find_lr;
mod foreign;
mod frozen;
mod interrupted;
mod language;
mod masked;
mod minutes;
mod mixing;
mod models;
mod names;
mod origin;
mod path;
mod places;
mod pretrain;
mod rank;
mod recurrent;
mod regression;
mod resume;
mod tables;
mod texts;
mod tokens;
mod trouble;
mod windows;
