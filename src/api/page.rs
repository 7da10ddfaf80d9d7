//! Lists: `?limit=` and `?cursor=` on the way in, `{"items", "next_cursor"}` on the way out.
//!
//! A cursor is the id of the last item in an opaque form: a list never skips or repeats one, whatever
//! is added meanwhile. Unknown parameters are ignored, bad values of known ones are refused by name.
//! What is listed, and by which other parameters, is the business of each resource.

use std::{
    fmt::Display,
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields;
use crate::{problem::Problem, store};

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// A page of a list, newest first.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// A request's query parameters.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The value of a parameter, if it is there.
    ///
    /// # Errors
    /// A 422 that names the parameter, if its value is none of the kind.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.0.iter().find(|(key, _)| key == name);
        value.map(|(_, value)| value.parse().map_err(|_| fields::fault(name))).transpose()
    }

    /// The page that is asked for.
    ///
    /// # Errors
    /// A 422 that names `limit` or `cursor`.
    pub fn page<Id: FromStr>(&self) -> Result<Wanted<Id>, Problem> {
        let Limit(limit) = self.get("limit")?.unwrap_or(Limit(DEFAULT_LIMIT));
        let after = self.get::<Cursor<Id>>("cursor")?.map(|Cursor(id)| id);
        Ok(Wanted { after, limit })
    }
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Whatever is no query at all holds no parameter either.
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        ready(Ok(Self(pairs.map(web::Query::into_inner).unwrap_or_default())))
    }
}

/// A page as it is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted<Id> {
    after: Option<Id>,
    limit: i64,
}

impl<Id: Copy + Display> Wanted<Id> {
    /// What to ask of the store: one more than the page holds, to see whether there is a next one.
    pub fn rows(&self) -> store::Page<Id> {
        store::Page { after: self.after, limit: self.limit + 1 }
    }

    /// The page, made of the store's rows.
    pub fn list<R, T>(&self, mut rows: Vec<R>, id: fn(&R) -> Id, item: impl Fn(R) -> T) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(id);
        let next_cursor = last.map(|id| hex::encode(id.to_string()));
        List { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

struct Limit(i64);

impl FromStr for Limit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) if digits => Ok(Self(limit)),
            _ => Err(()),
        }
    }
}

struct Cursor<Id>(Id);

impl<Id: FromStr> FromStr for Cursor<Id> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        id.and_then(|id| id.parse().ok()).map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{AccountId, KeyId};

    fn page(query: &str) -> Result<Wanted<AccountId>, String> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query).unwrap().into_inner();
        Query(pairs).page().map_err(|problem| problem.named_field().unwrap().to_owned())
    }

    #[test]
    fn limits_and_cursors_are_taken_or_named() {
        assert_eq!(page(""), Ok(Wanted { after: None, limit: 50 }));
        assert_eq!(page("limit=200&x=y"), Ok(Wanted { after: None, limit: 200 }));
        for bad in ["0", "201", "-1", "+5", "1.0", "", "a", "99999999999999999999", "1%200"] {
            assert_eq!(page(&format!("limit={bad}")), Err("limit".to_owned()), "{bad}");
        }
        let other = hex::encode(KeyId::new().to_string());
        for bad in ["", "zz", "ff", "6163635f", &AccountId::new().to_string(), &other] {
            assert_eq!(page(&format!("cursor={bad}")), Err("cursor".to_owned()), "{bad}");
        }
    }

    #[test]
    fn a_cursor_leads_on_until_there_is_nothing() {
        let ids: Vec<AccountId> = (0..3).map(|_| AccountId::new()).collect();
        let wanted = page("limit=2").unwrap();
        assert_eq!(wanted.rows().limit, 3);
        let list = wanted.list(ids.clone(), |id| *id, |id| id);
        assert_eq!(list.items, ids[..2]);
        let next = page(&format!("cursor={}", list.next_cursor.unwrap())).unwrap();
        assert_eq!(next.after, Some(ids[1]));
        assert!(wanted.list(ids[..2].to_vec(), |id| *id, |id| id).next_cursor.is_none());
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in "\\PC{0,60}") {
            let _ = noise.parse::<Cursor<AccountId>>();
            let _ = noise.parse::<Limit>();
        }
    }
}
