//! `upvoot scan-logs`: finds keys that got into files, and says which they are, so that they can be
//! revoked. It never shows one.

mod book;
mod finder;
mod report;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use secrecy::SecretString;
use tokio::sync::mpsc;

use self::{
    book::Book,
    finder::Finder,
    report::{Report, Sighting},
};

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// Findings that may wait to be looked up and printed.
const WAITING: usize = 256;

/// The arguments of `upvoot scan-logs`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Files of any kind and size, or - for standard input. Unpack compressed ones first:
    /// zcat access.log.gz | upvoot scan-logs -
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The database to look the keys up in.
    #[arg(
        long = "database-url",
        env = "UPVOOT_DATABASE_URL",
        default_value = "sqlite://upvoot.db",
        hide_env_values = true,
        value_name = "URL",
        value_parser = secret
    )]
    database_url: SecretString,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

enum News {
    Seen(Sighting),
    /// The file, and why it could not be read to its end.
    Unreadable(usize, io::Error),
}

/// Reads all files. Status 0: nothing found; 1: something was, or a file could not be read.
pub async fn run(args: ScanArgs) -> ExitCode {
    let book = Book::open(args.database_url).await;
    let mut report = Report::new(&args.files, book);
    let (tell, mut news) = mpsc::channel(WAITING);
    let scanning = tokio::task::spawn_blocking(move || {
        args.files.iter().enumerate().try_for_each(|(n, file)| scan(n, file, &tell))
    });
    let mut printed = Ok(());
    while let Some(one) = news.recv().await {
        printed = match one {
            News::Seen(sighting) => report.seen(&sighting).await,
            News::Unreadable(file, error) => {
                report.unreadable(file, &error);
                Ok(())
            }
        };
        if printed.is_err() {
            // Nobody reads on; without a reader of its news, the scan ends too.
            drop(news);
            break;
        }
    }
    let complete = scanning.await.is_ok();
    let printed = printed.is_ok() && report.summary().is_ok();
    report.close().await;
    if complete && printed && report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Nobody wants to know any more.
struct Unwanted;

/// Reads one file to its end, however long it is.
fn scan(file: usize, path: &Path, tell: &mpsc::Sender<News>) -> Result<(), Unwanted> {
    let tell = |news| tell.blocking_send(news).map_err(|_| Unwanted);
    let mut reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => return tell(News::Unreadable(file, error)),
    };
    let mut finder = Finder::default();
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => {
                for found in finder.feed(&piece[..len]) {
                    tell(News::Seen(Sighting::new(file, &found)))?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tell(News::Unreadable(file, error))?;
                break;
            }
        }
    }
    for found in finder.finish() {
        tell(News::Seen(Sighting::new(file, &found)))?;
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(File::open(path)?))
}
