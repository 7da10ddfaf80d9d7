//! Users, sessions and the set-up link, as they are kept.

use upvoot::{
    id::{AccountId, UserId},
    store::{
        Page, StoreError, sessions, setup_links,
        users::{self, Taken, User},
    },
    user::{Email, PasswordHash, Role},
};

use crate::store::world::{Db, on_both};

const EVERYBODY: Page<UserId> = Page { after: None, limit: 100 };

fn user(account_id: Option<AccountId>, email: &str) -> User {
    User {
        id: UserId::new(),
        account_id,
        email: Email::parse(email).unwrap(),
        role: Role::Member,
        is_operator: account_id.is_none(),
        is_active: true,
        created_at: 5,
        last_signed_in_at: None,
        email_confirmed: false,
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

on_both! {
    async fn users_are_kept(db: Db) {
        let world = db.world(0).await;
        let ada = user(Some(world.account), "ada@example.com");
        let eve = user(None, "eve@example.com");
        db.store
            .write(move |conn| {
                assert!(!users::has_operator(conn)?);
                assert_eq!(users::insert(conn, &ada, &hash("a"))?, Ok(()));
                assert!(!users::has_operator(conn)?, "an owner is no operator");
                assert_eq!(users::insert(conn, &eve, &hash("e"))?, Ok(()));
                assert!(users::has_operator(conn)?);
                assert_eq!(users::lock_in_charge(conn, None)?, std::slice::from_ref(&eve));
                assert_eq!(users::count(conn, world.account)?, 1);
                assert_eq!(users::get(conn, ada.id)?, Some(ada.clone()));
                assert_eq!(users::lock(conn, ada.id)?, Some(ada.clone()));
                assert_eq!(users::get(conn, UserId::new())?, None);
                let (found, stored) = users::by_email(conn, &ada.email)?.unwrap();
                assert_eq!((found, stored.as_str()), (ada.clone(), "a"));
                assert!(users::by_email(conn, &Email::parse("b@example.com").unwrap())?.is_none());

                let ids = |users: Vec<User>| users.iter().map(|user| user.id).collect::<Vec<_>>();
                assert_eq!(ids(users::list(conn, None, EVERYBODY)?), [eve.id, ada.id]);
                assert_eq!(ids(users::list(conn, Some(world.account), EVERYBODY)?), [ada.id]);
                assert_eq!(users::list(conn, Some(AccountId::new()), EVERYBODY)?, []);
                let older = Page { after: Some(eve.id), limit: 1 };
                assert_eq!(ids(users::list(conn, None, older)?), [ada.id]);

                let owner = User { role: Role::Owner, ..ada.clone() };
                assert_eq!(users::update(conn, &owner)?, Ok(()));
                let in_charge = [owner, eve.clone()];
                assert_eq!(users::lock_in_charge(conn, Some(world.account))?, in_charge);
                assert_eq!(users::lock_in_charge(conn, Some(AccountId::new()))?, in_charge[1..]);
                let after = User { role: Role::Owner, is_active: false, ..ada.clone() };
                assert_eq!(users::update(conn, &after)?, Ok(()));
                users::signed_in(conn, ada.id, 77)?;
                let after = User { last_signed_in_at: Some(77), ..after };
                assert_eq!(users::get(conn, ada.id)?, Some(after));
                assert!(users::set_password(conn, ada.id, &hash("b"))?);
                assert!(!users::set_password(conn, UserId::new(), &hash("b"))?);
                assert_eq!(users::password(conn, ada.id)?.unwrap().as_str(), "b");
                let off = User { is_active: false, ..eve.clone() };
                assert_eq!(users::update(conn, &off)?, Ok(()));
                assert!(!users::has_operator(conn)?, "one who cannot sign in does not count");
                assert!(users::delete(conn, ada.id)? && !users::delete(conn, ada.id)?);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn an_address_is_one_users(db: Db) {
        let world = db.world(0).await;
        let (one, two) = (user(None, "a@example.com"), user(None, "b@example.com"));
        let again = user(Some(world.account), "A@example.com");
        let renamed = User { email: one.email.clone(), ..two.clone() };
        db.store
            .write(move |conn| {
                assert_eq!(users::insert(conn, &one, &hash("x"))?, Ok(()));
                assert_eq!(users::insert(conn, &two, &hash("x"))?, Ok(()));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        // Each in a transaction of its own: on PostgreSQL the violation spoils it.
        let insert = db.store.write(move |conn| {
            assert_eq!(users::insert(conn, &again, &hash("x"))?, Err(Taken));
            Err::<(), _>(StoreError::Failed("given up".into()))
        });
        assert!(insert.await.is_err());
        let rename = db.store.write(move |conn| {
            assert_eq!(users::update(conn, &renamed)?, Err(Taken));
            Err::<(), _>(StoreError::Failed("given up".into()))
        });
        assert!(rename.await.is_err());
        let all = db.store.read(move |conn| users::list(conn, None, EVERYBODY)).await.unwrap();
        assert_eq!(all.len(), 2);
    }

    async fn the_database_refuses_users_that_must_not_be(db: Db) {
        let nowhere = User { is_operator: false, ..user(None, "a@example.com") };
        let stray = user(Some(AccountId::new()), "b@example.com");
        for wrong in [nowhere, stray] {
            let made = db.store.write(move |conn| users::insert(conn, &wrong, &hash("x"))).await;
            assert!(matches!(made, Err(StoreError::Failed(_))), "{made:?}");
        }
    }

    async fn a_user_is_bound_to_one_person_of_an_issuer(db: Db) {
        let world = db.world(0).await;
        let ada = User { email_confirmed: true, ..user(Some(world.account), "ada@example.com") };
        let (one, two) = ("https://one.example.com", "https://two.example.com");
        let other = Email::parse("other@example.com").unwrap();
        db.store
            .write(move |conn| {
                assert_eq!(users::insert(conn, &ada, &hash("x"))?, Ok(()));
                let mut bind = |email: &Email, issuer: &str, subject: u8| {
                    users::bind(conn, ada.id, email, None, issuer, &[subject; 32])
                };
                assert!(!bind(&other, one, 1)?, "the address is another's by now");
                assert!(bind(&ada.email, one, 1)? && bind(&ada.email, one, 1)?);
                assert!(!bind(&ada.email, one, 2)?);
                assert!(bind(&ada.email, two, 2)?, "another issuer's subjects are others");
                assert!(!bind(&ada.email, two, 1)?);
                users::unbind(conn, ada.id)?;
                assert!(users::bind(conn, ada.id, &ada.email, None, two, &[1; 32])?);
                assert!(!users::bind(conn, UserId::new(), &ada.email, None, two, &[1; 32])?);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn an_address_that_is_not_confirmed_binds_only_oneself(db: Db) {
        let world = db.world(0).await;
        let (ada, eve) = (user(Some(world.account), "ada@example.com"), UserId::new());
        let issuer = "https://id.example.com";
        db.store
            .write(move |conn| {
                assert_eq!(users::insert(conn, &ada, &hash("x"))?, Ok(()));
                let mut bind = |oneself| {
                    users::bind(conn, ada.id, &ada.email, oneself, issuer, &[1; 32])
                };
                assert!(!bind(None)? && !bind(Some(eve))?);
                assert!(bind(Some(ada.id))?, "who is signed in as the user is the user");
                assert!(bind(None)?, "and stays it");
                assert!(users::get(conn, ada.id)?.unwrap().email_confirmed);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn of_two_who_are_bound_at_once_one_is(db: Db) {
        let world = db.world(0).await;
        let ada = user(Some(world.account), "ada@example.com");
        let (id, email) = (ada.id, ada.email.clone());
        db.store
            .write(move |conn| {
                assert_eq!(users::insert(conn, &ada, &hash("x"))?, Ok(()));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let bind = |subject: u8| {
            let email = email.clone();
            db.store.write(move |conn| {
                let oneself = Some(id);
                users::bind(conn, id, &email, oneself, "https://id.example.com", &[subject; 32])
            })
        };
        let bound = futures_util::future::join_all((0..8).map(bind)).await;
        assert_eq!(bound.into_iter().filter(|bound| *bound.as_ref().unwrap()).count(), 1);
    }

    async fn sessions_are_kept_and_end(db: Db) {
        let world = db.world(0).await;
        let ada = user(Some(world.account), "ada@example.com");
        let bob = user(Some(world.account), "bob@example.com");
        db.store
            .write(move |conn| {
                for user in [&ada, &bob] {
                    assert_eq!(users::insert(conn, user, &hash("x"))?, Ok(()));
                }
                for n in 0..4 {
                    sessions::insert(conn, &[n; 32], ada.id, i64::from(n) * 100)?;
                }
                sessions::insert(conn, &[9; 32], bob.id, 0)?;
                let found = sessions::find(conn, &[1; 32])?.unwrap();
                assert_eq!((found.user.id, found.created_at, found.last_seen_at), (ada.id, 100, 100));
                assert_eq!(sessions::find(conn, &[8; 32])?, None);
                sessions::seen(conn, &[1; 32], 150)?;
                assert_eq!(sessions::find(conn, &[1; 32])?.unwrap().last_seen_at, 150);

                // 0 is too old, 1 was seen since, 2 and 3 are young; Bob's are not touched.
                sessions::delete_expired(conn, ada.id, 50, 120)?;
                let mut there = |n| Ok::<_, StoreError>(sessions::find(conn, &[n; 32])?.is_some());
                assert_eq!((there(0)?, there(1)?, there(2)?, there(9)?), (false, true, true, true));
                sessions::delete_expired(conn, ada.id, 0, 160)?;
                assert_eq!(sessions::find(conn, &[1; 32])?, None);
                sessions::delete_of_user(conn, ada.id, Some(&[3; 32]))?;
                assert!(sessions::find(conn, &[2; 32])?.is_none());
                assert!(sessions::find(conn, &[3; 32])?.is_some());

                let off = User { is_active: false, ..ada.clone() };
                assert_eq!(users::update(conn, &off)?, Ok(()));
                assert!(sessions::find(conn, &[3; 32])?.is_none(), "disabled");
                assert_eq!(users::update(conn, &ada)?, Ok(()));
                assert!(sessions::find(conn, &[3; 32])?.is_some());
                sessions::delete(conn, &[3; 32])?;
                assert!(sessions::find(conn, &[3; 32])?.is_none());
                assert!(users::delete(conn, bob.id)?);
                assert!(sessions::find(conn, &[9; 32])?.is_none(), "gone with its user");
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn a_set_up_link_works_once_and_in_time(db: Db) {
        db.store
            .write(move |conn| {
                setup_links::replace(conn, &[1; 32], 100)?;
                assert!(setup_links::is_good(conn, &[1; 32], 99)?);
                assert!(!setup_links::is_good(conn, &[1; 32], 100)?);
                assert!(!setup_links::take(conn, &[1; 32], 100)?);
                setup_links::replace(conn, &[2; 32], 100)?;
                assert!(!setup_links::is_good(conn, &[1; 32], 0)?, "replaced");
                assert!(setup_links::take(conn, &[2; 32], 99)?);
                assert!(!setup_links::take(conn, &[2; 32], 99)?);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn of_two_who_use_the_link_at_once_one_does(db: Db) {
        let link = |conn: &mut _| setup_links::replace(conn, &[1; 32], 100);
        db.store.write::<_, StoreError>(link).await.unwrap();
        let take = || db.store.write(move |conn| setup_links::take(conn, &[1; 32], 0));
        let taken = futures_util::future::join_all((0..8).map(|_| take())).await;
        assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    }
}
