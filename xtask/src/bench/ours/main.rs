//! Our side of `cargo xtask bench`: does what it is told, line by line, and says how long it took.
//!
//! Its one argument is the number of threads; rayon's is set by `RAYON_NUM_THREADS`.

mod adaptation;
mod decode;
mod encoder;
mod lengths;
mod masked;
#[path = "../median.rs"]
mod median;
mod networks;
mod probe;
#[path = "../request.rs"]
mod request;
mod unfolded;
mod written;

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use median::median;
use request::{Answer, Command, Request, Work};
use tl::kernels::has_half_precision;

/// The program's own allocator, so that memory is that of a user.
#[global_allocator]
static ALLOCATOR: tl::kernels::memory::CountingAllocator = tl::kernels::memory::CountingAllocator;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Answers of the networks, as ImageNet has.
const CLASSES: usize = 1000;
/// Seconds from which on a piece of work needs no untimed one before it: what it loses to cold caches
/// is below a hundredth.
const LONG: f64 = 2.0;

/// Something that was built once and is done again and again.
struct Job {
    request: Request,
    work: Box<dyn FnMut() -> Outcome<()>>,
    /// Examples that one piece of work goes through.
    examples: usize,
    /// Seconds of the last one.
    last: f64,
}

fn main() -> Outcome<()> {
    let threads: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut jobs: Vec<Job> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Command::Versions => Answer::Versions(Vec::new()),
            Command::Run { request, seconds } => turn(&mut jobs, request, seconds, threads)
                .unwrap_or_else(|error| Answer::Absent(error.to_string())),
            Command::Forget => {
                jobs.clear();
                Answer::Done
            }
        };
        println!("{}", serde_json::to_string(&answer)?);
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Does the work of `request` once untimed, then for at least so many seconds.
fn turn(jobs: &mut Vec<Job>, request: Request, seconds: f64, threads: usize) -> Outcome<Answer> {
    let place = match jobs.iter().position(|job| job.request == request) {
        Some(place) => place,
        None => {
            jobs.push(build(request, threads)?);
            jobs.len() - 1
        }
    };
    let job = &mut jobs[place];
    if job.last < LONG {
        (job.work)()?;
    }
    let begun = Instant::now();
    let mut taken = Vec::new();
    while taken.is_empty() || begun.elapsed().as_secs_f64() < seconds {
        let started = Instant::now();
        (job.work)()?;
        job.last = started.elapsed().as_secs_f64();
        taken.push(job.last);
    }
    let seconds = median(taken).unwrap_or_default();
    Ok(Answer::Measured { seconds, examples: job.examples, peak: peak() })
}

fn build(request: Request, threads: usize) -> Outcome<Job> {
    if request.variant == "bf16" && !has_half_precision() {
        return Err("the processor has no AVX512-BF16".into());
    }
    let mut examples = request.batch;
    let encoder = encoder::Shape::named(&request.network);
    let work = match (request.work, encoder) {
        (Work::Forward, None) => networks::forward(&request)?,
        (Work::Step, None) => networks::step(&request)?,
        (Work::TailFirst, None) => networks::tail_first(&request)?,
        (Work::TailLater, None) => networks::tail_later(&request)?,
        (Work::Probe, None) => {
            examples = probe::IMAGES * probe::EPOCHS;
            probe::probe(&request, threads)?
        }
        (Work::Eval, None) => adaptation::eval(&request)?,
        (Work::Unfolded, None) => adaptation::unfolded(&request)?,
        (Work::Decode, None) => {
            let (work, count) = decode::pass(&request, threads)?;
            examples = count;
            work
        }
        (Work::ByLength | Work::Shuffled, None) => {
            let (work, count) = lengths::epoch(&request, request.work == Work::ByLength)?;
            examples = count;
            work
        }
        (Work::Masked, None) => masked::step(&request)?,
        (Work::Written, None) => written::text(&request, true)?,
        (Work::Rewritten, None) => written::text(&request, false)?,
        (Work::AdaBn, None) => adaptation::adabn(&request)?,
        (Work::Tent, None) => adaptation::tent(&request)?,
        (Work::Dann | Work::Supervised, None) => {
            examples = 2 * request.batch;
            adaptation::step(&request)?
        }
        (Work::Forward, Some(shape)) => encoder::forward(&request, shape)?,
        (Work::Step, Some(shape)) => encoder::step(&request, shape, false)?,
        (Work::LowRank, Some(shape)) => encoder::step(&request, shape, true)?,
        (Work::LowRank, None) => return Err("no network of images does it".into()),
        (work, Some(_)) => return Err(format!("no encoder does {work:?}").into()),
    };
    Ok(Job { request, work, examples, last: 0.0 })
}

/// The most memory that this process has held, in bytes; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// `count` values between −1 and 1, the same at every run.
fn values(what: &str, count: usize) -> Vec<f32> {
    let mut random = tl::core::rng(0, what, 0, 0);
    (0..count).map(|_| random.between(-1.0, 1.0) as f32).collect()
}

/// Labels of a batch.
fn labels(batch: usize) -> Vec<usize> {
    (0..batch).map(|example| example * 37 % CLASSES).collect()
}
