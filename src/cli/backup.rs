//! `upvoot backup`: one whole, consistent file of an embedded database, while a server uses it.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::{
    WRONG_USAGE,
    paint::{complain, print, tame},
};
use crate::{
    settings,
    store::{self, BackupError},
};

/// The arguments of `upvoot backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to create, readable by its owner only. An existing file is not overwritten.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The database to copy; for PostgreSQL use pg_dump.
    #[arg(
        long = "database-url",
        env = "UPVOOT_DATABASE_URL",
        default_value = "sqlite://upvoot.db",
        hide_env_values = true,
        value_name = "URL",
        value_parser = settings::database_url
    )]
    database_url: SecretString,
}

/// Makes the copy. Status 0 only if it is whole and on the disk.
pub async fn run(args: BackupArgs) -> ExitCode {
    let BackupArgs { file, database_url } = args;
    let shown = tame(&file.to_string_lossy());
    let copying =
        tokio::task::spawn_blocking(move || store::back_up(database_url.expose_secret(), &file));
    let said = match copying.await {
        Ok(Ok(bytes)) => print(format_args!("{shown}: {bytes} bytes")).map_err(|e| e.to_string()),
        Ok(Err(BackupError::Postgres)) => {
            complain(format_args!("error: UPVOOT_DATABASE_URL: {}", BackupError::Postgres));
            return ExitCode::from(WRONG_USAGE);
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(stopped) => Err(stopped.to_string()),
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(format_args!("error: no backup: {}", tame(&why)));
            ExitCode::FAILURE
        }
    }
}
