//! A point in memory, and what is there.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use xylem_db::{
    CloudCopy, CloudCopyState, CloudCount, CloudForgotten, CloudLeaving, CloudObjects, CloudPart,
    CloudStep, CloudUsage, CloudWant, Month,
};
use xylem_model::{ContentId, DistributionServerId, Timestamp};
use xylem_sync::Class;

use crate::cloud::store::{OpenPoint, Work};

/// A point, and what is there.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) open: OpenPoint,
    pub(super) copies: BTreeMap<ContentId, CloudCopy>,
    pub(super) parts: BTreeMap<ContentId, BTreeMap<u32, CloudPart>>,
    pub(super) usage: BTreeMap<Month, CloudUsage>,
}

impl Point {
    pub(super) fn new(open: OpenPoint) -> Self {
        Self { open, copies: BTreeMap::new(), parts: BTreeMap::new(), usage: BTreeMap::new() }
    }

    /// Settings or keys are others: what failed is due.
    pub(super) fn change(&mut self, open: OpenPoint, now: Timestamp) {
        self.open = open;
        let copies = self.copies.values_mut();
        for copy in copies.filter(|copy| copy.state == CloudCopyState::Failed) {
            copy.next_try = Some(now);
        }
    }

    pub(super) fn is_still_as(&self, seen: &OpenPoint) -> bool {
        let key = |point: &OpenPoint| (point.followed, point.walks);
        self.open.is_active && self.open.selection == seen.selection && key(&self.open) == key(seen)
    }

    /// Does a step on a content; says whether it was done.
    pub(super) fn step(
        &mut self,
        content: ContentId,
        decide: impl FnOnce(&mut CloudCopy) -> CloudStep,
    ) -> bool {
        let step = self.copies.get_mut(&content).map_or(CloudStep::Refused, decide);
        if step == CloudStep::Forgotten {
            self.copies.remove(&content);
            self.parts.remove(&content);
        }
        step.is_done()
    }

    pub(super) fn want(&mut self, want: &CloudWant, now: Timestamp) {
        self.copies.entry(want.content).or_insert_with(|| CloudCopy::of_want(want, now));
        // Of what was not known before this changes nothing.
        self.step(want.content, |copy| copy.want(want));
    }

    pub(super) fn want_for_upload(
        &mut self,
        want: &CloudWant,
        now: Timestamp,
        until: Timestamp,
    ) -> CloudCopy {
        let new = || CloudCopy::of_want(want, now);
        let copy = self.copies.entry(want.content).or_insert_with(new);
        // It is done in every state.
        let _ = copy.want_for_upload(want, now, until);
        copy.clone()
    }

    pub(super) fn unwant(&mut self, content: ContentId, now: Timestamp) {
        self.step(content, |copy| copy.unwant(now));
        let copy = self.copies.get(&content);
        if copy.is_none_or(|copy| copy.state == CloudCopyState::Removing) {
            self.parts.remove(&content);
        }
    }

    pub(super) fn take_some(
        &mut self,
        server: DistributionServerId,
        busy: &[ContentId],
        most: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Vec<CloudCopy> {
        let (mut busy, mut taken) = (busy.to_vec(), Vec::new());
        while taken.len() < most
            && let Some(copy) = self.take(server, &busy, now, until)
        {
            busy.push(copy.content);
            taken.push(copy);
        }
        taken
    }

    fn take(
        &mut self,
        server: DistributionServerId,
        busy: &[ContentId],
        now: Timestamp,
        until: Timestamp,
    ) -> Option<CloudCopy> {
        let mut large: Vec<Class> = Vec::new();
        for content in busy {
            if self.step(*content, |copy| copy.keep(server, until)) {
                let kept = self.copies.get(content).filter(|copy| copy.is_large());
                large.extend(kept.map(CloudCopy::class));
            }
        }
        let is_open = |copy: &&CloudCopy| {
            copy.can_be_taken_by(server, now)
                && !busy.contains(&copy.content)
                && !(copy.is_large() && large.contains(&copy.class()))
        };
        let order = |copy: &&CloudCopy| {
            (!copy.is_worked_on_by(server), copy.class(), copy.size, copy.content)
        };
        let next = self.copies.values().filter(is_open).min_by_key(order)?.content;
        self.step(next, |copy| copy.take(server, now, until));
        self.copies.get(&next).cloned()
    }

    pub(super) fn take_to_read_back(
        &mut self,
        server: DistributionServerId,
        read_before: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<CloudCopy> {
        let is_open = |copy: &&CloudCopy| {
            let mut copy = (*copy).clone();
            copy.take_to_read_back(server, now, until).is_done()
        };
        let open = self.copies.values().filter(is_open);
        let placed =
            open.filter_map(|copy| Some((copy.place_in_reading_back(read_before)?, copy.content)));
        let (_, next) = placed.min()?;
        self.step(next, |copy| copy.take_to_read_back(server, now, until));
        self.copies.get(&next).cloned()
    }

    pub(super) fn begin(
        &mut self,
        work: Work,
        part_bytes: Option<NonZeroU64>,
        reference: Option<&str>,
    ) -> bool {
        let has_parts = self.parts.get(&work.content).is_some_and(|parts| !parts.is_empty());
        let begin = |copy: &mut CloudCopy| copy.begin(work.server, part_bytes, reference);
        !has_parts && self.step(work.content, begin)
    }

    pub(super) fn arrive(&mut self, work: Work, parts: &[CloudPart]) -> bool {
        let told: BTreeMap<u32, &CloudPart> = parts.iter().map(|it| (it.number, it)).collect();
        let there = self.parts.get(&work.content);
        let replaced = told.keys().filter_map(|number| there?.get(number));
        let replaced: u64 = replaced.map(|part| part.bytes).sum();
        let bytes: u64 = told.values().map(|part| part.bytes).sum();
        if !self.step(work.content, |copy| copy.arrive(work.server, bytes, replaced)) {
            return false;
        }
        let there = self.parts.entry(work.content).or_default();
        there.extend(told.into_iter().map(|(number, part)| (number, part.clone())));
        true
    }

    pub(super) fn counts(&self) -> Vec<CloudCount> {
        let mut counts: BTreeMap<CloudCopyState, CloudCount> = BTreeMap::new();
        for copy in self.copies.values() {
            let none = CloudCount { state: copy.state, contents: 0, bytes: 0, arrived: 0 };
            let count = counts.entry(copy.state).or_insert(none);
            count.contents += 1;
            count.bytes = count.bytes.saturating_add(copy.size);
            count.arrived = count.arrived.saturating_add(copy.arrived);
        }
        counts.into_values().collect()
    }

    pub(super) fn unsettled(&self, now: Timestamp, limit: usize) -> Vec<CloudCopy> {
        let due = self.copies.values().filter(|copy| copy.is_to_be_settled(now));
        let mut due: Vec<_> = due.cloned().collect();
        due.sort_by_key(|copy| (copy.unbound_until, copy.content));
        due.truncate(limit);
        due
    }

    pub(super) fn begin_removing(
        &mut self,
        unwanted_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Vec<CloudCopy> {
        let mut removing = self.longest_first(|copy| copy.state == CloudCopyState::Removing);
        removing.truncate(limit);
        let is_over = |copy: &CloudCopy| copy.clone().remove(unwanted_before, now).is_done();
        let room = limit.saturating_sub(removing.len());
        for CloudCopy { content, .. } in self.longest_first(is_over).into_iter().take(room) {
            self.step(content, |copy| copy.remove(unwanted_before, now));
            removing.extend(self.copies.get(&content).cloned());
        }
        removing
    }

    /// It is being left from now on: what was under way goes.
    pub(super) fn leave(&mut self, now: Timestamp) {
        self.open.is_active = false;
        self.open.paused = false;
        self.open.revision = self.open.revision.saturating_add(1);
        self.open.leaving = Some(CloudLeaving { since: now, left: None, objects: None });
        self.give_up_unfinished(now);
    }

    /// Nobody is sent there any more. Says whether somebody was until now.
    pub(super) fn leave_for_good(&mut self, now: Timestamp) -> bool {
        match &mut self.open.leaving {
            Some(leaving) if leaving.left.is_none() => {
                leaving.left = Some(now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn unwant_all(&mut self, since: Timestamp, now: Timestamp) {
        let objects = self.open.leaving.and_then(|leaving| leaving.objects);
        if objects != Some(CloudObjects::Deleted) {
            return;
        }
        self.give_up_unfinished(now);
        // What is *present* stays so when it is unwanted.
        for content in self.contents() {
            self.unwant(content, since);
        }
    }

    /// Says what becomes of its objects. Where they are kept, what is *present* and unwanted only since
    /// nobody is sent there is so no more.
    pub(super) fn decide(&mut self, objects: CloudObjects) {
        let Some(leaving) = &mut self.open.leaving else { return };
        leaving.objects = Some(objects);
        let (CloudObjects::Kept, Some(left)) = (objects, leaving.left) else { return };
        let copies = self.copies.values_mut();
        for copy in copies.filter(|copy| copy.state == CloudCopyState::Present) {
            copy.unwanted = copy.unwanted.filter(|since| *since < left);
        }
    }

    /// Whether nothing is left to be done before it is forgotten.
    pub(super) fn may_end(&self, objects: CloudObjects) -> bool {
        let is_so_far = self
            .open
            .leaving
            .is_some_and(|leaving| leaving.left.is_some() && leaving.objects == Some(objects));
        let is_work = |copy: &CloudCopy| {
            objects == CloudObjects::Deleted || copy.state == CloudCopyState::Removing
        };
        is_so_far && !self.copies.values().any(is_work)
    }

    /// What stays at the provider when it is forgotten.
    pub(super) fn left_behind(&self) -> CloudForgotten {
        let mut stays = CloudForgotten::default();
        for copy in self.copies.values() {
            if copy.was_there() {
                stays.objects += 1;
                stays.bytes = stays.bytes.saturating_add(copy.size);
            }
            stays.uploads += u64::from(copy.has_upload());
        }
        stays
    }

    fn give_up_unfinished(&mut self, now: Timestamp) {
        // An upload that is not committed wants nothing there any more.
        for copy in self.copies.values_mut() {
            copy.upload_until = None;
        }
        for content in self.contents() {
            let copy = self.copies.get(&content);
            if copy.is_some_and(|copy| copy.state != CloudCopyState::Present) {
                // What was unwanted while it was there and is being removed is so already.
                self.unwant(content, now);
            }
        }
    }

    fn contents(&self) -> Vec<ContentId> {
        self.copies.keys().copied().collect()
    }

    /// Contents in the order in which they came to be as they are.
    fn longest_first(&self, is_one: impl Fn(&CloudCopy) -> bool) -> Vec<CloudCopy> {
        let mut found: Vec<_> = self.copies.values().filter(|copy| is_one(copy)).cloned().collect();
        found.sort_by_key(|copy| (copy.since, copy.content));
        found
    }
}
