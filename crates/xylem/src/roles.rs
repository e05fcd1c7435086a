//! Running a role: management server, distribution server, or both at once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use xylem_api::enrollment::{InvitationKind, NewInvitation};
use xylem_blobs::VerifyOnRead;
use xylem_client::BaseUrl;
use xylem_client::enroll::Anchor;
use xylem_distribution::{ChildInspector, DistributionServer, EnrollOptions, Options, Seeded};
use xylem_model::ByteSize;
use xylem_pki::TrustAnchors;
use xylem_runtime::{Environment, RealFs, Shutdown, host_name, read_bounded};
use xylem_server::{MAX_CONFIG_BYTES, Server, ServerConfig};
use xylem_telemetry::{LogFormat, start_logging, start_metrics};

use crate::access::{anchor, configuration};
use crate::cli::{DistributionCommand, ServerCommand, UpOptions};
use crate::output::{Output, facts, or_dash};
use crate::{Failure, INSPECT};

/// The name of the root that `xylem up` makes.
const ROOT_NAME: &str = "root";

/// What a role logs where `XYLEM_LOG` does not say otherwise.
/// The migrator tells every start that there is nothing to do.
const LOG_DEFAULT: &str = "info,sea_orm_migration=warn";

/// `xylem up`.
pub(crate) async fn up(options: UpOptions, output: &Output) -> Result<(), Failure> {
    start_role();
    let environment = Environment::real();
    let public_url: BaseUrl = match &options.public_url {
        Some(url) => url.parse().map_err(configuration)?,
        None => BaseUrl::new("localhost", options.listen.port()),
    };
    let config = ServerConfig {
        organization: options.organization.clone(),
        ..ServerConfig::in_folder(&options.data.join("server"), options.listen, public_url.clone())
    };
    if !xylem_server::is_initialized(&environment, &config).await? {
        let made = xylem_server::init(&environment, &config).await?;
        made.save(&environment, &options.data).await?;
    }
    let server = Server::open(environment.clone(), config).await?;
    let fingerprint = server.ca_fingerprint();
    let anchors = TrustAnchors::from_pem(server.ca_pem().as_bytes())?;
    let code = invitation(&server).await?;

    let shutdown = shutdown_on_signal()?;
    let serving = tokio::spawn(server.run(shutdown.clone()));
    let root = options.data.join(ROOT_NAME);
    if xylem_distribution::status(&environment, &root).await.is_err() {
        let port = options.distribution_listen.port();
        let enroll = EnrollOptions {
            // Reached by its own name on this machine, wherever the public one leads.
            server: BaseUrl::new("localhost", options.listen.port()),
            anchor: Anchor::Certificates(anchors),
            invitation: code,
            data: root.clone(),
            listen: options.distribution_listen,
            public_url: BaseUrl::new(public_url.host(), port),
            name: ROOT_NAME.to_owned(),
        };
        xylem_distribution::enroll(&environment, enroll).await?;
    }
    let options_ = distribution_options(false)?;
    let distribution = DistributionServer::open(environment, &root, options_).await?;
    let folder = options.data.display();
    output.say(&format!(
        "Management server    {public_url}\n\
         Root                 https://{}:{}\n\
         Root certificate     {folder}/ca.pem, SHA-256 {fingerprint}\n\
         API token            {folder}/admin.token\n\n\
         In another shell:\n\n\
         \x20 xylem login {public_url} --token-file {folder}/admin.token --ca {folder}/ca.pem\n\
         \x20 xylem package upload FILE.pkg\n",
        public_url.host(),
        options.distribution_listen.port(),
    ))?;
    distribution.run(shutdown).await;
    Ok(serving.await?)
}

/// A code for the root, good for the moment it takes.
async fn invitation(server: &Server) -> Result<String, Failure> {
    let new = NewInvitation {
        kind: InvitationKind::Distribution,
        site: None,
        uses: Some(1),
        expires_in_seconds: Some(60),
    };
    let made = server.create_invitation(&new).await;
    made.map_err(|error| Failure::new(error.message()))
}

/// `xylem server …`
pub(crate) async fn server(command: ServerCommand, output: &Output) -> Result<(), Failure> {
    let environment = Environment::real();
    match command {
        ServerCommand::Init { config } => {
            let config = read_config(&config)?;
            let made = xylem_server::init(&environment, &config).await?;
            made.save(&environment, &config.data).await?;
            let folder = config.data.display();
            output.say(&format!(
                "Made keys, certificates and database in {folder}.\n\
                 Root certificate  {folder}/ca.pem, SHA-256 {}\n\
                 API token         {folder}/admin.token",
                made.ca_fingerprint
            ))
        }
        ServerCommand::Run { config } => {
            start_role();
            let server = Server::open(environment, read_config(&config)?).await?;
            let address = server.local_address()?;
            tracing::info!(%address, "management server is ready");
            Box::pin(server.run(shutdown_on_signal()?)).await;
            Ok(())
        }
        ServerCommand::CheckConfig { config } => {
            read_config(&config)?;
            output.say(&format!("{} is good.", config.display()))
        }
        ServerCommand::Backup { config, file } => {
            let config = read_config(&config)?;
            let done = xylem_server::backup(&environment, &config, &file).await?;
            output.say(&format!(
                "Wrote {} with state {}, {} rows and all keys: keep it safe.",
                file.display(),
                done.stamp,
                done.rows
            ))
        }
        ServerCommand::Restore { config, file } => {
            let config = read_config(&config)?;
            let done = xylem_server::restore(&environment, &config, &file).await?;
            output.say(&format!(
                "Restored {} rows; the state is {}. Start the server, look at what came back, \
                 then say `xylem confirm-restore`: until then nothing is removed anywhere.",
                done.rows, done.stamp
            ))
        }
    }
}

/// `xylem distribution …`
pub(crate) async fn distribution(
    command: DistributionCommand,
    output: &Output,
) -> Result<(), Failure> {
    let environment = Environment::real();
    match command {
        DistributionCommand::Enroll {
            server,
            invitation,
            data,
            listen,
            public_url,
            name,
            ca,
            fingerprint,
        } => {
            let options = EnrollOptions {
                server: server.parse().map_err(configuration)?,
                anchor: anchor(ca.as_deref(), fingerprint.as_deref())?,
                invitation,
                data: data.clone(),
                listen,
                public_url: match public_url {
                    Some(url) => url.parse().map_err(configuration)?,
                    None => own_url(listen),
                },
                name: name.unwrap_or_else(own_name),
            };
            let id = xylem_distribution::enroll(&environment, options).await?;
            output.say(&format!(
                "Enrolled as {id}. Start it with `xylem distribution run --data {}`.",
                data.display()
            ))
        }
        DistributionCommand::Run { data, scrub_only, take_over, access_log } => {
            start_role();
            let options = Options { take_over, access_log, ..distribution_options(scrub_only)? };
            let server = DistributionServer::open(environment, &data, options).await?;
            tracing::info!(address = %server.local_address(), "distribution server is ready");
            server.run(shutdown_on_signal()?).await;
            Ok(())
        }
        DistributionCommand::Seed { folder, data } => {
            let bar = output.bar("seeding", 0);
            let shown = bar.clone();
            let progress = move |files: u64, bytes: u64| {
                shown.set_message(format!("{files} files"));
                shown.set_length(bytes);
                shown.set_position(bytes);
            };
            let seeded = xylem_distribution::seed(&environment, &data, &folder, progress).await;
            bar.finish_and_clear();
            output.value(&seeded?, seeded_text)
        }
        DistributionCommand::Status { data } => {
            output.value(&xylem_distribution::status(&environment, &data).await?, |status| {
                facts(&[
                    ("Name", status.name.clone()),
                    ("Id", status.id.to_string()),
                    ("Management server", status.server.clone()),
                    ("URL", status.public_url.clone()),
                    ("State", or_dash(status.stamp)),
                    ("Good until", or_dash(status.good_until)),
                    ("Files", format!("{} of {} present", status.present, status.wanted)),
                    ("Used", ByteSize(status.used_bytes).to_string()),
                    ("Free", ByteSize(status.free_bytes).to_string()),
                    ("Certificate ends", status.certificate_ends.to_string()),
                ])
            })
        }
    }
}

fn start_role() {
    start_logging(LogFormat::Text, LOG_DEFAULT);
    start_metrics();
    raise_open_files();
}

/// Lets this process have as many files open as the system allows it. Each connection is one, and
/// the limit that a shell hands down (1024) is below what a server of a large tree needs.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

pub(crate) fn read_config(path: &Path) -> Result<ServerConfig, Failure> {
    let bytes = read_bounded(&RealFs, path, MAX_CONFIG_BYTES)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(configuration)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::configuration(format!("{} is not UTF-8 text", path.display())))?;
    let parsed = ServerConfig::parse(&text);
    parsed.with_context(|| path.display().to_string()).map_err(configuration)
}

/// Uploads are looked into by this very program, in a child process with limits.
fn distribution_options(scrub_only: bool) -> Result<Options, Failure> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(Options {
        verify_on_read: if scrub_only { VerifyOnRead::ScrubOnly } else { VerifyOnRead::Always },
        inspector: Arc::new(ChildInspector { program, args: Arc::from([INSPECT.to_owned()]) }),
        take_over: false,
        access_log: None,
    })
}

/// The signal to drain and stop, given by SIGTERM or an interrupt at the keyboard.
fn shutdown_on_signal() -> Result<Shutdown, Failure> {
    let shutdown = Shutdown::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let given = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; answers in flight finish first");
        given.begin();
    });
    Ok(shutdown)
}

fn own_url(listen: SocketAddr) -> BaseUrl {
    BaseUrl::new(own_name(), listen.port())
}

/// What this machine is called; where the system knows no name, what every machine is called.
fn own_name() -> String {
    host_name().unwrap_or_else(|| "localhost".to_owned())
}

fn seeded_text(seeded: &Seeded) -> String {
    let mut text = format!(
        "Took {} of {} files, {}. {} are not needed here, or here already. Still missing: {}, {}.\n",
        seeded.taken,
        seeded.files,
        ByteSize(seeded.taken_bytes),
        seeded.passed_over,
        seeded.missing,
        ByteSize(seeded.missing_bytes)
    );
    for problem in &seeded.problems {
        text += &format!("  could not be read: {problem}\n");
    }
    let untold = seeded.problem_count.saturating_sub(seeded.problems.len() as u64);
    if untold > 0 {
        text += &format!("  and {untold} more\n");
    }
    text
}
