//! Trying within a time, with a made-up clock and made-up fits.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tl_train::Silent;

use super::*;
use crate::recipe::Recipe;

/// Shows what it is moved to.
#[derive(Debug, Default)]
struct Made(Mutex<f64>);

impl Made {
    fn pass(&self, seconds: f64) {
        *self.0.lock().unwrap() += seconds;
    }
}

impl Clock for Made {
    fn seconds(&self) -> f64 {
        *self.0.lock().unwrap()
    }
}

const AUTO: Candidate = Candidate::AsAsked(Recipe::Auto);
const ALL: [Candidate; 4] = [AUTO, Candidate::Probe, Candidate::LastStages, Candidate::Lora];
const STEPS: usize = 10;

/// Fits that take what their costs say, times `slow`.
struct Play {
    clock: Arc<Made>,
    costs: BTreeMap<&'static str, Cost>,
    /// On the validation part and on the test part.
    scores: BTreeMap<&'static str, [f64; 2]>,
    /// Of every figure of the validation part.
    error: f64,
    slow: f64,
    /// What is no longer finite amid its fit, and what has no step in its time.
    diverging: Vec<&'static str>,
    stepless: Vec<&'static str>,
    /// Names, epochs, and whether it was a resume.
    fitted: Vec<(&'static str, usize, bool)>,
    notes: usize,
}

impl Play {
    fn new() -> Self {
        let cost = |once, each_epoch, epochs: usize| {
            let phases = epochs.min(1);
            Cost { once, each_epoch, epochs, phases, end: 2.0 }
        };
        Self {
            clock: Arc::default(),
            costs: BTreeMap::from([
                ("auto", cost(10.0, 4.0, 5)),
                ("probe", cost(8.0, 0.0, 0)),
                ("last-stages", cost(5.0, 2.0, 5)),
                ("lora", cost(2.0, 1.0, 5)),
            ]),
            scores: BTreeMap::from([
                ("auto", [0.8, 0.99]),
                ("probe", [0.7, 0.6]),
                ("last-stages", [0.9, 0.1]),
                ("lora", [0.75, 0.5]),
            ]),
            error: 0.0,
            slow: 1.0,
            diverging: Vec::new(),
            stepless: Vec::new(),
            fitted: Vec::new(),
            notes: 0,
        }
    }

    fn within(&mut self, seconds: f64, kept: &mut Kept) -> Result<(Candidate, [f64; 2]), Error> {
        let limit = Limit { seconds, clock: self.clock.clone() };
        carry_out(&ALL, self, &limit, kept, &mut Silent)
    }

    fn names(&self) -> Vec<&'static str> {
        self.fitted.iter().map(|(name, ..)| *name).collect()
    }
}

impl Work for Play {
    /// Both figures.
    type Fit = [f64; 2];

    fn lay_out(&mut self, candidate: Candidate) -> Result<Result<Cost, String>, Error> {
        self.clock.pass(1.0);
        Ok(self.costs.get(candidate.name()).copied().ok_or("it has no place".to_string()))
    }

    fn fit(
        &mut self,
        candidate: Candidate,
        epochs: usize,
        resume: bool,
        deadline: Deadline,
        _: &mut dyn Progress,
    ) -> Result<Found<[f64; 2]>, Error> {
        let name = candidate.name();
        self.fitted.push((name, epochs, resume));
        let cost = self.costs[name];
        self.clock.pass(cost.once * self.slow);
        if self.diverging.contains(&name) {
            let (step, phase, place) = (1, name.to_string(), "the head".to_string());
            return Err(TrainError::NotFinite { step, phase, what: "the loss", place }.into());
        }
        if self.stepless.contains(&name) {
            return Err(TrainError::OutOfTime { step: 0 }.into());
        }
        let step = cost.each_epoch * self.slow / STEPS as f64;
        let mut out_of_time = false;
        for number in 1..=epochs * STEPS {
            self.clock.pass(step);
            // At the end of an epoch there is nothing left of it to leave out.
            out_of_time = number % STEPS != 0 && deadline.passed();
            if out_of_time {
                break;
            }
        }
        let fit = self.scores[name];
        let error = self.error;
        Ok(Found { score: fit[0], error, kept: "best".into(), out_of_time, fit })
    }

    fn note(&mut self, kept: &Kept) -> Result<(), Error> {
        self.notes += 1;
        assert!(kept.used <= self.clock.seconds());
        Ok(())
    }
}

fn tried(kept: &Kept) -> Vec<&str> {
    let done = kept.tried.iter().filter(|tried| tried.validation.is_some());
    done.map(|tried| tried.name.as_str()).collect()
}

#[test]
fn a_time_that_suffices_for_all_tries_all_whole_and_the_default_first() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.within(1000.0, &mut kept).unwrap();
    let whole = [("auto", 5, false), ("last-stages", 5, false), ("lora", 5, false)];
    assert_eq!(play.fitted, whole);
    assert_eq!(tried(&kept), ["auto", "last-stages", "lora"]);
    // Before and after each.
    assert_eq!(play.notes, 6);
}

#[test]
fn the_validation_part_chooses_and_not_the_test_part() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    let (chosen, fit) = play.within(1000.0, &mut kept).unwrap();
    // It is the worst on the test part.
    assert_eq!((chosen, fit), (Candidate::LastStages, [0.9, 0.1]));
}

#[test]
fn of_equals_the_cheaper_is_chosen() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.scores.insert("lora", [0.9, 0.2]);
    let (chosen, _) = play.within(1000.0, &mut kept).unwrap();
    assert_eq!(chosen, Candidate::Lora);
}

#[test]
fn the_default_is_left_for_what_leads_by_its_standard_error_alone() {
    // 0.9 and 0.8.
    for (error, expected) in [(0.05, Candidate::LastStages), (0.15, AUTO)] {
        let (mut play, mut kept) = (Play::new(), Kept::default());
        play.error = error;
        let (chosen, fit) = play.within(1000.0, &mut kept).unwrap();
        assert_eq!(chosen, expected, "{error}");
        assert_eq!(fit, play.scores[expected.name()]);
    }
    // Neither of two others is the default.
    let (mut play, mut kept) = (Play::new(), Kept::default());
    (play.error, play.diverging) = (0.15, vec!["auto"]);
    play.scores.insert("lora", [0.95, 0.2]);
    assert_eq!(play.within(1000.0, &mut kept).unwrap().0, Candidate::Lora);
}

#[test]
fn where_the_time_is_up_before_a_first_step_nothing_else_is_laid_out() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    (play.slow, play.stepless) = (10.0, vec!["auto"]);
    let error = play.within(60.0, &mut kept).unwrap_err().to_string();
    assert!(error.contains("are too short"), "{error}");
    assert_eq!(play.names(), ["auto"]);
    // One was laid out, in a second.
    assert_eq!(play.clock.seconds(), 101.0);
    assert!(kept.tried[1..].iter().all(|it| it.note.as_deref() == Some("no time is left")));
}

#[test]
fn a_short_time_lays_the_plan_over_the_epochs_that_fit_and_leaves_out_what_does_not() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    // 1 s to lay out and 2.5 s kept for the end leave 36.5 s, of which a tenth is for surprises: all of auto. Then 5.5 s are too
    // short for an epoch of the last stages, and 4.5 s for more than two of lora.
    play.within(40.0, &mut kept).unwrap();
    assert_eq!(play.fitted, [("auto", 5, false), ("lora", 2, false)]);
    let left = kept.tried.iter().find(|tried| tried.name == "last-stages").unwrap();
    assert_eq!(left.validation, None);
    assert!(left.note.as_ref().unwrap().contains("at least about 9 s"), "{left:?}");
    let end = 2.0;
    assert!(play.clock.seconds() + end <= 40.0, "{}", play.clock.seconds());
}

#[test]
fn a_time_that_suffices_for_a_probe_alone_gives_a_probe() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    let (chosen, _) = play.within(16.0, &mut kept).unwrap();
    assert_eq!((chosen, play.names()), (Candidate::Probe, vec!["probe"]));
    assert!(play.clock.seconds() + 2.0 <= 16.0);
}

#[test]
fn a_machine_that_is_slower_than_it_seemed_is_stopped_amid_an_epoch_and_keeps_to_the_time() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.slow = 2.0;
    let (chosen, _) = play.within(40.0, &mut kept).unwrap();
    assert_eq!((chosen, play.names()), (AUTO, vec!["auto"]));
    assert!(kept.tried[0].out_of_time);
    let end = 2.0 * play.slow;
    let all = play.clock.seconds() + end;
    assert!(all > 40.0 / 1.1 && all <= 40.0 * 1.1, "{all}");
}

#[test]
fn a_time_that_is_too_short_is_told_with_one_that_is_not() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    let error = play.within(5.0, &mut kept).unwrap_err().to_string();
    assert!(play.fitted.is_empty());
    // Four were laid out in 4 s, and an epoch of lora takes 5 s with its end.
    assert!(error.starts_with("0.08 minutes are too short"), "{error}");
    assert!(error.contains("takes about 11 s"), "{error}");
    assert!(error.ends_with("give --minutes 0.20 or more"), "{error}");
    let (mut play, mut kept) = (Play::new(), Kept::default());
    let (chosen, _) = play.within(12.0, &mut kept).unwrap();
    assert_eq!(chosen, Candidate::Lora);
}

#[test]
fn what_has_no_place_is_left_out_with_its_reason() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.costs.remove("lora");
    play.within(1000.0, &mut kept).unwrap();
    assert_eq!(play.names(), ["auto", "last-stages"]);
    assert_eq!(kept.tried[2].note.as_deref(), Some("it has no place"));
}

#[test]
fn what_diverges_is_left_with_its_reason_and_the_others_go_on() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.diverging = vec!["auto"];
    let (chosen, _) = play.within(1000.0, &mut kept).unwrap();
    // Nothing was tried before the probe then.
    assert_eq!(play.names(), ["auto", "probe", "last-stages", "lora"]);
    assert_eq!(chosen, Candidate::LastStages);
    assert_eq!(tried(&kept), ["probe", "last-stages", "lora"]);
    let line = kept.tried[0].line();
    assert!(line.starts_with("auto: nothing came of it, step 1 of phase"), "{line}");
    assert!(line.contains("the loss is not finite"), "{line}");
    assert_eq!(kept.running, None);
}

#[test]
fn where_all_diverge_the_first_of_their_errors_is_told() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.diverging = vec!["auto", "probe", "last-stages", "lora"];
    let error = play.within(1000.0, &mut kept).unwrap_err().to_string();
    assert!(error.contains("phase \"auto\": the loss is not finite"), "{error}");
    assert_eq!((kept.tried.len(), kept.best()), (4, None));
}

#[test]
fn what_has_no_step_in_its_time_was_not_tried() {
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.stepless = vec!["auto"];
    let (chosen, _) = play.within(1000.0, &mut kept).unwrap();
    assert_eq!(chosen, Candidate::LastStages);
    assert!(kept.tried[0].line().ends_with("the time was up before its first step"));
    let (mut play, mut kept) = (Play::new(), Kept::default());
    play.stepless = vec!["auto", "probe", "last-stages", "lora"];
    let error = play.within(1000.0, &mut kept).unwrap_err().to_string();
    assert!(error.contains("are too short"), "{error}");
}

#[test]
fn a_resume_counts_the_time_before_goes_on_with_what_was_under_way_and_finds_the_best_again() {
    let mut play = Play::new();
    let done = Tried {
        name: "auto".into(),
        epochs: 5,
        wanted: 5,
        validation: Some(0.95),
        seconds: 30.0,
        ..Tried::default()
    };
    let running = Some(Running { name: "lora".into(), epochs: 3 });
    let mut kept = Kept { used: 33.0, tried: vec![done], running };
    play.clock.pass(kept.used);
    let (chosen, fit) = play.within(45.0, &mut kept).unwrap();
    // 1 s to lay lora out, 5 s for it: 3.5 s are left for the last stages, which are laid out and too long.
    assert_eq!(play.fitted, [("lora", 3, true), ("auto", 5, true)]);
    assert_eq!((chosen, fit), (AUTO, [0.8, 0.99]));
    assert_eq!(kept.running, None);
}
