//! Topics by LoRA: a published text encoder stays as it is, and small low-rank paths beside it learn twenty topics.
//!
//! ```text
//! cargo run --release -p examples --example topics_lora -- --weights MiniLM --data 20newsgroups.csv
//! ```
//!
//! `MiniLM` is a folder with config.json, tokenizer.json and model.safetensors (all-MiniLM-L6-v2).
