//! What commands print.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use xylem_agent::{CheckInOutcome, Enrollment, FetchedPackage, Inventory, OrderOutcome, Progress};
use xylem_model::ByteSize;

use super::CommandError;

/// A bar on the terminal while bytes come in; nothing anywhere else.
pub(super) struct ProgressLine(ProgressBar);

impl ProgressLine {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    /// Where progress goes.
    pub(super) fn sink(&self) -> impl Fn(Progress) + Send + Sync + use<> {
        let bar = self.0.clone();
        move |progress| match progress {
            Progress::Fetching { package, source, bytes, total } => {
                bar.set_length(total);
                bar.set_position(bytes);
                bar.set_message(format!("{package} from {source}"));
            }
            Progress::Installing { package } => {
                bar.set_message(format!("installing {package}"));
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) {
        self.0.finish_and_clear();
    }
}

pub(super) fn enrollment(enrollment: &Enrollment, json: bool) -> Result<(), CommandError> {
    let Enrollment { party, name, server, certificate_not_after } = enrollment;
    print(json, enrollment, |out| {
        writeln!(out, "{name} is enrolled with {server} as {party}")?;
        writeln!(out, "certificate valid up to {certificate_not_after}, renewed by itself")
    })
}

pub(super) fn check_in(outcome: &CheckInOutcome, json: bool) -> Result<(), CommandError> {
    print(json, outcome, |out| {
        if outcome.orders.is_empty() {
            writeln!(out, "nothing to do")?;
        }
        for order in &outcome.orders {
            order_lines(out, order)?;
        }
        if outcome.reports_waiting > 0 {
            writeln!(
                out,
                "{} reports wait until the management server takes them",
                outcome.reports_waiting
            )?;
        }
        Ok(())
    })
}

fn order_lines(out: &mut dyn Write, order: &OrderOutcome) -> io::Result<()> {
    match &order.package {
        Some(package) => write!(out, "{package}: {}", order.result)?,
        None => write!(out, "order {}: {}", order.order, order.result)?,
    }
    if order.is_success() {
        write!(out, ", {} files", order.files)?;
    }
    match &order.source {
        Some(source) => writeln!(out, ", {} from {source}", ByteSize(order.bytes))?,
        None if order.is_success() => writeln!(out, ", from the cache")?,
        None => writeln!(out)?,
    }
    if !order.is_success() {
        writeln!(out, "  {}", order.message)?;
    }
    if !order.scripts_not_run.is_empty() {
        writeln!(out, "  scripts not run: {}", order.scripts_not_run.join(", "))?;
    }
    for warning in &order.warnings {
        writeln!(out, "  warning: {warning}")?;
    }
    Ok(())
}

pub(super) fn fetched(fetched: &FetchedPackage, json: bool) -> Result<(), CommandError> {
    print(json, fetched, |out| {
        let FetchedPackage { name, version, content, size, path, attempts, .. } = fetched;
        let source = attempts.last().map_or("the cache", |attempt| attempt.source.as_str());
        let size = ByteSize(*size);
        writeln!(out, "{name} version {version}: {size} from {source} to {}", path.display())?;
        writeln!(out, "verified: BLAKE3 {content}")
    })
}

pub(super) fn inventory(inventory: &Inventory, json: bool) -> Result<(), CommandError> {
    print(json, inventory, |out| {
        writeln!(out, "name         {}", inventory.name)?;
        writeln!(out, "id           {}", inventory.id)?;
        writeln!(out, "server       {}", inventory.server)?;
        writeln!(out, "system       {} ({})", inventory.os, inventory.architecture)?;
        writeln!(out, "agent        {}", inventory.agent_version)?;
        writeln!(out, "certificate  valid up to {}", inventory.certificate_not_after)?;
        writeln!(out, "receipts     {}", inventory.receipts.len())?;
        for receipt in &inventory.receipts {
            let version = receipt.version.as_deref().unwrap_or("version unknown");
            writeln!(out, "  {} {version}", receipt.identifier)?;
        }
        Ok(())
    })
}

fn print(
    json: bool,
    value: &impl Serialize,
    as_text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    let written = if json {
        serde_json::to_writer_pretty(&mut out, value)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        as_text(&mut out)
    };
    match written.and_then(|()| out.flush()) {
        // Whoever read has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| CommandError::System { doing: "print", source }),
    }
}

/// Prints a sentence.
pub(super) fn line(text: &str) -> Result<(), CommandError> {
    writeln!(io::stdout(), "{text}")
        .map_err(|source| CommandError::System { doing: "print", source })
}
