//! The command line.

mod arguments;
mod service;
mod show;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use xylem_agent::{
    Agent, AgentError, EnrollOptions, Target, TargetError, enroll, host_name, serial_number,
};
use xylem_client::enroll::Anchor;
use xylem_pki::{AnchorError, TrustAnchors};
use xylem_runtime::{Environment, RealFs, Shutdown};
use xylem_telemetry::{LogFormat, chain, start_logging};

pub(crate) use self::arguments::Arguments;
use self::arguments::{Command, Enroll, Fetch, Inventory, OnTarget};

/// Exit code for a set-up that cannot work (`EX_USAGE` of BSD's sysexits).
const WRONG_CONFIGURATION: u8 = 64;

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The agent could not.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The target cannot be installed to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The service cannot be installed or taken away.
    #[error(transparent)]
    Service(#[from] xylem_service::ServiceError),
    /// The file of `--ca` is of no use.
    #[error("cannot use the file given with --ca")]
    Ca(#[source] AnchorError),
    /// The computer does not know its own name.
    #[error("this computer has no host name: give it a name with --name")]
    NoName,
    /// Orders were carried out with errors; they have been told one by one.
    #[error("{failed} of {all} orders could not be carried out")]
    Orders {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
    },
    /// The system refuses something the program needs.
    #[error("cannot {doing}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl CommandError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Target(_) | Self::Ca(_) | Self::NoName => WRONG_CONFIGURATION,
            Self::Agent(error) if error.is_configuration() => WRONG_CONFIGURATION,
            _ => 1,
        }
    }
}

/// Runs a command to its end and says how it went.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let level = if matches!(arguments.command, Command::Run(_)) { "info" } else { "error" };
    start_logging(LogFormat::Text, level);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .map_err(|source| CommandError::System { doing: "start", source })
        .and_then(|runtime| runtime.block_on(execute(arguments.command)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {}", chain(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Enroll(arguments) => join(arguments).await,
        Command::Run(arguments) => work(arguments).await,
        Command::CheckIn(arguments) => check_in(arguments).await,
        Command::Fetch(arguments) => fetch(arguments).await,
        Command::Inventory(arguments) => inventory(arguments).await,
        Command::Install(arguments) => service::put(&arguments),
        Command::Uninstall(arguments) => service::take_away(&arguments),
    }
}

async fn join(arguments: Enroll) -> Result<(), CommandError> {
    let anchor = match (arguments.anchor.ca, arguments.anchor.fingerprint) {
        (_, Some(fingerprint)) => Anchor::Fingerprint(fingerprint),
        (ca, None) => {
            let path = ca.unwrap_or_default();
            let anchors = TrustAnchors::read(&RealFs, &path).map_err(CommandError::Ca)?;
            Anchor::Certificates(anchors)
        }
    };
    let options = EnrollOptions {
        server: arguments.server,
        anchor,
        invitation: arguments.invitation,
        data: arguments.data.data,
        name: arguments.name.or_else(host_name).ok_or(CommandError::NoName)?,
        serial_number: serial_number(),
    };
    let enrollment = enroll(&Environment::real(), options).await?;
    show::enrollment(&enrollment, arguments.json)
}

async fn open(data: &Path) -> Result<Agent, CommandError> {
    Ok(Agent::open(Environment::real(), data).await?)
}

async fn work(arguments: OnTarget) -> Result<(), CommandError> {
    let target = Target::choose(arguments.target.as_deref())?;
    let agent = open(&arguments.data.data).await?;
    let shutdown = Shutdown::new();
    let refused = |source| CommandError::System { doing: "listen for signals", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let stop = shutdown.clone();
    let waiting = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.begin();
        // The loop below ends on its own; an installation under way is waited for.
        std::future::pending::<()>().await;
    };
    tracing::info!(server = %agent.server(), computer.id = %agent.computer(), "agent started");
    tokio::select! {
        () = agent.run(&target, &shutdown) => {}
        () = waiting => {}
    }
    Ok(())
}

async fn check_in(arguments: arguments::CheckIn) -> Result<(), CommandError> {
    let target = Target::choose(arguments.on.target.as_deref())?;
    let agent = open(&arguments.on.data.data).await?;
    let bar = show::ProgressLine::new(arguments.json);
    let outcome = agent.check_in(&target, &bar.sink()).await;
    bar.finish();
    let outcome = outcome?;
    show::check_in(&outcome, arguments.json)?;
    let failed = outcome.orders.iter().filter(|order| !order.is_success()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(CommandError::Orders { failed, all: outcome.orders.len() })
}

async fn fetch(arguments: Fetch) -> Result<(), CommandError> {
    let agent = open(&arguments.data.data).await?;
    let bar = show::ProgressLine::new(arguments.json);
    let fetched = agent.fetch_package(&arguments.name, &arguments.output, &bar.sink()).await;
    bar.finish();
    show::fetched(&fetched?, arguments.json)
}

async fn inventory(arguments: Inventory) -> Result<(), CommandError> {
    let agent = open(&arguments.data.data).await?;
    let running_system = cfg!(target_os = "macos").then(|| Path::new("/").to_owned());
    let target = arguments.target.or(running_system);
    show::inventory(&agent.inventory(target.as_deref()).await, arguments.json)
}
