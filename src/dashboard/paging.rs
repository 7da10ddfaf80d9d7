//! A list in pages, newest first: which rows a page shows, and the ways to older and to newer ones.
//!
//! A page begins after an id, so rows that come meanwhile move nothing. The way back is in the address: the
//! ids after which the pages before began, the nearest last. Pure; the store does the listing.

use std::{fmt::Display, str::FromStr};

use maud::{Markup, html};
use serde::{Deserialize, Deserializer};

use crate::store::Page;

/// Pages that the address remembers. From further on the way back leads to the newest rows at last.
const REMEMBERED: usize = 12;
/// Stands for the first page, which begins after nothing.
const FIRST: &str = "0";

/// Where in a list a page is, as its address says; what is no id is nowhere.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Place {
    after: Option<String>,
    #[serde(default, deserialize_with = "apart")]
    back: Vec<String>,
}

fn apart<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.split('.').filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

impl Place {
    /// What to ask the store for: `shown` rows, and one more that says whether there are older ones.
    pub fn page<Id: FromStr>(&self, shown: i64) -> Page<Id> {
        let after = self.after.as_deref().and_then(|id| id.parse().ok());
        Page { after, limit: shown + 1 }
    }

    /// Leaves `shown` rows of what the store gave, and gives the ways on from them. `path` is the list's
    /// own, `filter` the rest of its query, such as `live=true`, or nothing.
    pub fn ways<Row, Id: FromStr + Display>(
        &self,
        rows: &mut Vec<Row>,
        shown: i64,
        (path, filter): (&str, &str),
        id: impl Fn(&Row) -> Id,
    ) -> Ways {
        let shown = usize::try_from(shown).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let after = self.after.as_deref().filter(|after| after.parse::<Id>().is_ok());
        let is_id = |text: &&String| *text == FIRST || text.parse::<Id>().is_ok();
        let back: Vec<&str> = self.back.iter().filter(is_id).map(String::as_str).collect();
        let to = |after: &str, back: &[&str]| {
            let after = if after == FIRST { String::new() } else { format!("after={after}") };
            let back =
                if back.is_empty() { String::new() } else { format!("back={}", back.join(".")) };
            let query: Vec<&str> =
                [&*after, &back, filter].into_iter().filter(|part| !part.is_empty()).collect();
            if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
        };
        let newer = after.map(|_| match back.split_last() {
            Some((last, before)) => to(last, before),
            None => to(FIRST, &[]),
        });
        let older = rows.last().filter(|_| more).map(|last| {
            let mut back = back.clone();
            back.push(after.unwrap_or(FIRST));
            to(&id(last).to_string(), &back[back.len().saturating_sub(REMEMBERED)..])
        });
        Ways { newer, older }
    }
}

/// The addresses of the pages beside one; `None`: there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    newer: Option<String>,
    older: Option<String>,
}

impl Ways {
    /// The links.
    pub fn links(&self) -> Markup {
        html! {
            @if self.newer.is_some() || self.older.is_some() {
                nav.actions aria-label="Pages" {
                    @if let Some(newer) = &self.newer { a.button rel="prev" href=(newer) { "Newer" } }
                    @if let Some(older) = &self.older { a.button rel="next" href=(older) { "Older" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CallId;

    /// The place that an address leads to.
    fn at(address: &str) -> Place {
        let query = address.split_once('?').map_or("", |(_, query)| query);
        actix_web::web::Query::<Place>::from_query(query).unwrap().into_inner()
    }

    /// The page at this address of a list of these ids, two a page.
    fn turn(ids: &[CallId], address: &str) -> (Vec<CallId>, Ways) {
        let place = at(address);
        let page: Page<CallId> = place.page(2);
        let older = ids.iter().rev().filter(|id| page.after.is_none_or(|after| **id < after));
        let mut rows: Vec<CallId> = older.take(3).copied().collect();
        let ways = place.ways(&mut rows, 2, ("/calls", "live=false"), |id| *id);
        (rows, ways)
    }

    #[test]
    fn whoever_goes_on_comes_back_the_same_way() {
        let ids: Vec<CallId> = (0..7).map(|_| CallId::new()).collect();
        let (mut address, mut seen) = ("/calls?live=false".to_owned(), Vec::new());
        loop {
            let (rows, ways) = turn(&ids, &address);
            seen.push(rows);
            match ways.older {
                Some(older) => address = older,
                None => break,
            }
        }
        let all: Vec<CallId> = seen.concat();
        assert_eq!(all, ids.iter().rev().copied().collect::<Vec<_>>());
        for rows in seen.iter().rev().skip(1) {
            address = turn(&ids, &address).1.newer.unwrap();
            assert!(address.contains("live=false"), "{address}");
            assert_eq!(turn(&ids, &address).0, *rows);
        }
        assert_eq!(turn(&ids, &address).1.newer, None);
    }

    #[test]
    fn a_long_way_is_forgotten_at_its_beginning_and_nonsense_leads_to_the_newest() {
        let ids: Vec<CallId> = (0..60).map(|_| CallId::new()).collect();
        let mut address = "/calls".to_owned();
        for _ in 0..29 {
            address = turn(&ids, &address).1.older.unwrap();
        }
        assert!(address.len() < 600, "{}", address.len());
        let mut turns = 0;
        while let Some(newer) = turn(&ids, &address).1.newer {
            address = newer;
            turns += 1;
        }
        assert_eq!((turns, turn(&ids, &address).0[0]), (13, ids[59]));
        for nonsense in ["/calls?after=x", "/calls?after=&back=x.y", "/calls?back=0"] {
            let (rows, ways) = turn(&ids, nonsense);
            assert_eq!((rows[0], ways.newer), (ids[59], None), "{nonsense}");
        }
        let there = format!("/calls?after={}&back=x..0.y", ids[30]);
        assert_eq!(turn(&ids, &there).1.newer.as_deref(), Some("/calls?live=false"));
    }
}
