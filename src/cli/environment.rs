//! The environment as settings come from it: empty is unset, and a misspelt name is no setting.
//!
//! Only names are looked at here, never a value: many of them are secrets.

use std::{collections::BTreeSet, env};

use clap::{Arg, Command, builder::Resettable};

/// What every variable of ours begins with.
const OURS: &str = "UPVOOT_";
/// Secrets of agents, which an operator names freely.
const SECRETS: &str = "UPVOOT_SECRET_";
/// How alike a name must be to be what was meant.
const ALIKE: f64 = 0.85;

/// The command with each variable that is set to nothing taken for unset, as `NAME=${NAME}` in a
/// compose file means it.
pub fn empty_is_unset(command: Command) -> Command {
    let unset = |argument: Arg| {
        let empty = argument.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        if empty { argument.env(Resettable::Reset) } else { argument }
    };
    command.mut_args(unset).mut_subcommands(|command| command.mut_args(unset))
}

/// Every variable that some command reads.
pub fn known(command: &Command) -> BTreeSet<String> {
    let arguments = command.get_subcommands().flat_map(Command::get_arguments);
    let names = arguments.chain(command.get_arguments()).filter_map(Arg::get_env);
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Logs each variable of ours that is none of the known ones, and what may have been meant.
pub fn warn_of_unknown(known: &BTreeSet<String>) {
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if let Some(meant) = unknown(name, known) {
            match meant {
                Some(meant) => {
                    tracing::warn!(name, meant, "unknown setting, ignored")
                }
                None => tracing::warn!(name, "unknown setting, ignored"),
            }
        }
    }
}

/// Whether this name looks like a setting and is none; and the setting that it is close to, if any.
fn unknown<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<Option<&'k str>> {
    if !name.starts_with(OURS) || name.starts_with(SECRETS) || known.contains(name) {
        return None;
    }
    let alike = known.iter().map(|known| (strsim::jaro_winkler(name, known), known.as_str()));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0));
    Some(best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, known)| known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_found_and_its_setting_named() {
        let known = ["UPVOOT_LISTEN", "UPVOOT_DRAIN_SECONDS"].map(str::to_owned).into();
        assert_eq!(unknown("UPVOOT_DRAIN_SECOND", &known), Some(Some("UPVOOT_DRAIN_SECONDS")));
        assert_eq!(unknown("UPVOOT_XYZ", &known), Some(None));
        for fine in ["UPVOOT_LISTEN", "UPVOOT_SECRET_ACME", "PATH", "upvoot_listen"] {
            assert_eq!(unknown(fine, &known), None, "{fine}");
        }
    }
}
