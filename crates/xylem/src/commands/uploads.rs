//! Uploads under way.

use anyhow::Context as _;
use xylem_api::catalogue::{OpenUpload, UploadState};
use xylem_client::{BaseUrl, ContentClient};
use xylem_model::{ByteSize, UploadId};

use crate::Failure;
use crate::access::Access;
use crate::cli::UploadCommand;
use crate::output::{Output, table};

pub(crate) async fn run(
    command: UploadCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        UploadCommand::List => output.value(&access.admin.uploads().await?, |open| list(open)),
        UploadCommand::Cancel { id } => cancel(id, access, output).await,
    }
}

fn list(open: &[OpenUpload]) -> String {
    let row = |upload: &OpenUpload| {
        let state = match upload.state {
            UploadState::Declared => "bytes are awaited",
            _ => "about to be published",
        };
        let OpenUpload { id, name, size, actor, created_at, .. } = upload;
        vec![
            id.to_string(),
            name.clone(),
            ByteSize(*size).to_string(),
            state.to_owned(),
            actor.clone(),
            created_at.to_string(),
        ]
    };
    let rows: Vec<_> = open.iter().map(row).collect();
    table(&["UPLOAD", "NAME", "SIZE", "STATE", "BY", "SINCE"], &rows)
}

/// Gives an upload up, at the management server first: from then on nothing can come of it.
async fn cancel(id: UploadId, access: &Access, output: &Output) -> Result<(), Failure> {
    let upload = access.admin.upload(id).await?;
    access.admin.cancel_upload(id).await?;
    let freed = match &upload.ingest {
        Some(address) => {
            let ingest: BaseUrl = address.url.parse().context("the ingest server's address")?;
            let client = ContentClient::new(access.transport.clone());
            client.give_up(&ingest, id, &address.ticket).await
        }
        None => Ok(()),
    };
    let name = upload.name;
    match freed {
        Ok(()) => output.say(&format!("Cancelled the upload of {name}; nothing of it is kept.")),
        Err(error) => output.say(&format!(
            "Cancelled the upload of {name}. What has arrived of it could not be removed at once \
             ({error}): the server where it is removes it within a day."
        )),
    }
}
