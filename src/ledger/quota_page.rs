//! One quota's owner in a book of requests, as a log that the window's rules work on.

use std::time::Duration;

use outflow_connectors::http::window::{Head, Lane, Log};
use outflow_connectors::http::{Day, Facts};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::{Attempt, Fault};

/// Old entries dropped with each new one: more than one, so that the log shrinks after a longer window.
const DROPPED: i64 = 4;

/// Days kept.
const DAYS: i64 = 7;

/// The rows of one owner, inside a transaction.
pub(super) struct Page<'a> {
    conn: &'a Connection,
    id: i64,
    head: Head,
    facts: Facts,
}

impl<'a> Page<'a> {
    /// The owner's page, made if there is none; entries of another boot are gone.
    pub(super) fn open(conn: &'a Connection, owner: &str, boot: &str, now: Duration) -> Attempt<Page<'a>> {
        match Self::load(conn, owner)? {
            Some((page, theirs)) if page.is_of(&theirs, boot, now)? => Ok(page),
            Some((page, _)) => page.begin_anew(boot),
            None => Self::make(conn, owner, boot),
        }
    }

    /// The owner's page, if it has one of this boot.
    pub(super) fn find(
        conn: &'a Connection,
        owner: &str,
        boot: &str,
        now: Duration,
    ) -> Attempt<Option<Page<'a>>> {
        match Self::load(conn, owner)? {
            Some((page, theirs)) if page.is_of(&theirs, boot, now)? => Ok(Some(page)),
            Some((page, _)) => Ok(Some(Page { head: Head::default(), ..page })),
            None => Ok(None),
        }
    }

    fn load(conn: &'a Connection, owner: &str) -> Attempt<Option<(Page<'a>, String)>> {
        let mut query = conn.prepare_cached(
            "SELECT id, boot, sent, background, held_until, refused_at, margin, keep, announced, zone FROM quota
             WHERE owner = ?1",
        )?;
        let row = |row: &Row<'_>| {
            let head = Head {
                all: row.get::<_, i64>(2)? as u64,
                background: row.get::<_, i64>(3)? as u64,
                held_until: time(row.get(4)?),
                refused_at: row.get::<_, Option<i64>>(5)?.map(time),
                margin: time(row.get(6)?),
                keep: time(row.get(7)?),
            };
            let announced = row.get::<_, Option<i64>>(8)?.map(|calls| calls as u64);
            let facts = Facts { announced, zone: row.get(9)? };
            Ok((Page { conn, id: row.get(0)?, head, facts }, row.get(1)?))
        };
        Ok(query.query_row([owner], row).optional()?)
    }

    fn make(conn: &'a Connection, owner: &str, boot: &str) -> Attempt<Page<'a>> {
        let head = Head::default();
        conn.execute(
            "INSERT INTO quota (owner, boot, sent, background, held_until, margin, keep) VALUES (?1, ?2, 0, 0, 0, ?3, 0)",
            params![owner, boot, nanos(head.margin)],
        )?;
        Ok(Page { conn, id: conn.last_insert_rowid(), head, facts: Facts::default() })
    }

    /// Whether the times belong to this boot. Where boots have no name, a time to come tells of another.
    fn is_of(&self, theirs: &str, boot: &str, now: Duration) -> Attempt<bool> {
        Ok(theirs == boot && self.at(Lane::All, self.head.all)?.is_none_or(|last| last <= now))
    }

    fn begin_anew(mut self, boot: &str) -> Attempt<Page<'a>> {
        self.conn.execute("DELETE FROM quota_sent WHERE quota = ?1", [self.id])?;
        self.conn.execute("UPDATE quota_day SET asked_at = NULL WHERE quota = ?1", [self.id])?;
        self.conn.execute("UPDATE quota SET boot = ?2 WHERE id = ?1", params![self.id, boot])?;
        self.set_head(Head::default())?;
        Ok(self)
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn set_facts(&mut self, facts: Facts) -> Attempt<()> {
        self.conn
            .prepare_cached("UPDATE quota SET announced = ?2, zone = ?3 WHERE id = ?1")?
            .execute(params![self.id, facts.announced.map(|calls| calls as i64), facts.zone])?;
        self.facts = facts;
        Ok(())
    }

    pub(super) fn day(&self, date: i64) -> Attempt<Day> {
        let mut query = self.conn.prepare_cached(
            "SELECT calls, ceiling, asked_at FROM quota_day WHERE quota = ?1 AND date = ?2",
        )?;
        let day = query.query_row([self.id, date], |row| {
            Ok(Day {
                calls: row.get::<_, i64>(0)? as u64,
                ceiling: row.get::<_, Option<i64>>(1)?.map(|calls| calls as u64),
                asked_at: row.get::<_, Option<i64>>(2)?.map(time),
            })
        });
        Ok(day.optional()?.unwrap_or_default())
    }

    pub(super) fn set_day(&mut self, date: i64, day: &Day) -> Attempt<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO quota_day (quota, date, calls, ceiling, asked_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (quota, date) DO UPDATE SET calls = ?3, ceiling = ?4, asked_at = ?5",
            )?
            .execute(params![
                self.id,
                date,
                day.calls as i64,
                day.ceiling.map(|calls| calls as i64),
                day.asked_at.map(nanos)
            ])?;
        if day.calls == 1 {
            self.conn
                .execute("DELETE FROM quota_day WHERE quota = ?1 AND date < ?2", [self.id, date - DAYS])?;
        }
        Ok(())
    }
}

impl Log for Page<'_> {
    type Error = Fault;

    fn head(&self) -> Head {
        self.head
    }

    fn set_head(&mut self, head: Head) -> Attempt<()> {
        self.conn
            .prepare_cached(
                "UPDATE quota SET sent = ?2, background = ?3, held_until = ?4, refused_at = ?5, margin = ?6, keep = ?7
                 WHERE id = ?1",
            )?
            .execute(params![
                self.id,
                head.all as i64,
                head.background as i64,
                nanos(head.held_until),
                head.refused_at.map(nanos),
                nanos(head.margin),
                nanos(head.keep)
            ])?;
        self.head = head;
        Ok(())
    }

    fn at(&self, lane: Lane, number: u64) -> Attempt<Option<Duration>> {
        let mut query = self
            .conn
            .prepare_cached("SELECT at FROM quota_sent WHERE quota = ?1 AND lane = ?2 AND number = ?3")?;
        let at = query.query_row([self.id, lane_number(lane), number as i64], |row| row.get(0));
        Ok(at.optional()?.map(time))
    }

    fn push(&mut self, lane: Lane, number: u64, at: Duration) -> Attempt<()> {
        self.conn
            .prepare_cached("INSERT INTO quota_sent (quota, lane, number, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute([self.id, lane_number(lane), number as i64, nanos(at)])?;
        Ok(())
    }

    fn move_to(&mut self, lane: Lane, number: u64, at: Duration) -> Attempt<()> {
        self.conn
            .prepare_cached("UPDATE quota_sent SET at = ?4 WHERE quota = ?1 AND lane = ?2 AND number = ?3")?
            .execute([self.id, lane_number(lane), number as i64, nanos(at)])?;
        Ok(())
    }

    fn drop_before(&mut self, before: Duration) -> Attempt<()> {
        let lanes = if self.head.background > 0 { &[Lane::All, Lane::Background][..] } else { &[Lane::All] };
        for lane in lanes {
            self.conn
                .prepare_cached(
                    "DELETE FROM quota_sent WHERE quota = ?1 AND lane = ?2 AND at < ?3 AND number <
                     (SELECT min(number) FROM quota_sent WHERE quota = ?1 AND lane = ?2) + ?4",
                )?
                .execute([self.id, lane_number(*lane), nanos(before), DROPPED])?;
        }
        Ok(())
    }
}

fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::All => 0,
        Lane::Background => 1,
    }
}

fn time(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0) as u64)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
