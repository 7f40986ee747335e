//! Bars on stderr while a run goes on; also the run's events as log lines.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::format::about;
use super::pace::{Pace, speed};
use crate::sync::event::{Event, Observer};

/// One bar per sync that is running; nothing where stderr is no terminal.
pub struct Progress {
    bars: MultiProgress,
    of: Mutex<BTreeMap<String, ProgressBar>>,
    /// Lines instead, where there is no terminal.
    pace: Option<Pace>,
}

impl Progress {
    /// `wanted` is false for `--no-progress`, `--quiet`, `-v` and JSON logs.
    #[allow(clippy::disallowed_methods)]
    pub fn new(wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let pace = (wanted && !shown).then(Pace::default);
        Progress { bars: MultiProgress::with_draw_target(target), of: Mutex::default(), pace }
    }

    fn start(&self, sync: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix}   {msg}"));
        bar.set_prefix(sync.to_owned());
        bar.set_message("reading");
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn draw(&self, event: &Event) {
        let mut bars = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::SyncStarted { sync } => _ = bars.insert(sync.clone(), self.start(sync)),
            Event::Extracted { sync, rows } => {
                if let Some(bar) = bars.get(sync) {
                    bar.set_message(format!("{} read", super::format::plural(*rows, "row")));
                }
            }
            Event::Waiting { sync, what } => {
                if let Some(bar) = bars.get(sync) {
                    bar.set_message(format!("waiting for {what}"));
                }
            }
            Event::Planned { sync, changes } => {
                if let Some(bar) = bars.get(sync) {
                    let one = "{spinner} {prefix}   {bar:30} {human_pos}/{human_len} delivered{left}";
                    bar.set_style(style(one).with_key("left", left));
                    bar.set_length(*changes);
                    bar.set_position(0);
                    // What was read tells nothing of how fast it is delivered.
                    bar.reset_eta();
                }
            }
            Event::Bound { sync, by } => {
                if let Some(bar) = bars.get(sync) {
                    // Two lines, so that a terminal of 80 columns shows all of it.
                    let two =
                        "{spinner} {prefix}   {wide_bar} {human_pos}/{human_len}\n  {rate}{left}; {msg}";
                    bar.set_style(style(two).with_key("rate", rate).with_key("left", left));
                    bar.set_message(format!("bound by {by}"));
                }
            }
            // It has a line of its own.
            Event::Behind { .. } => {}
            Event::Settled { sync, changes } => {
                if let Some(bar) = bars.get(sync) {
                    bar.set_position(*changes);
                }
            }
            Event::SyncFinished(report) => {
                if let Some(bar) = bars.remove(&report.sync) {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Event) {
        log(event);
        if let Event::Behind { sync, late, by } = event {
            let late = super::format::about(late.as_secs_f64());
            super::message(&format!(
                "{sync}: falls behind `deliver_within`: at this pace it ends {late} too late; {by} binds\n"
            ));
        }
        if let Some(line) = self.pace.as_ref().and_then(|pace| pace.line(event)) {
            super::message(&line);
        }
        if !self.bars.is_hidden() {
            self.draw(event);
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::SyncStarted { sync } => tracing::info!(sync, "sync started"),
        Event::Extracted { sync, rows } => tracing::debug!(sync, rows, "rows read"),
        Event::Waiting { sync, what } => tracing::info!(sync, "waiting for {what}"),
        Event::Planned { sync, changes } => tracing::info!(sync, changes, "delivery starts"),
        Event::Bound { sync, by } => tracing::debug!(sync, by, "bound"),
        Event::Behind { sync, late, by } => {
            tracing::warn!(sync, late_s = late.as_secs(), %by, "falls behind")
        }
        Event::Settled { sync, changes } => tracing::debug!(sync, changes, "changes settled"),
        Event::SyncFinished(report) => tracing::info!(
            sync = report.sync,
            run_id = report.run_id,
            status = super::text::word(report.status),
            delivered = report.counts.delivered,
            requests = report.counts.requests,
            duration_ms = report.duration_ms,
            "sync finished"
        ),
    }
}

// What the two write cannot fail but with the terminal.

fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = match state.pos() {
        0 => out.write_str("none so far"),
        _ => out.write_str(&speed(state.per_sec())),
    };
}

fn left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(out, ", about {} left", about(state.eta().as_secs_f64()));
    }
}

/// A template with a mistake falls back to the library's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
