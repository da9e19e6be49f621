/**
 * What is missing, and when a one-shot sync is over: the pure part.
 */
import { type FeedStatus, type PeerStatus, progressOf, SyncGoal } from '@hearsay/feeds/core'
import test from 'ava'
import b4a from 'b4a'

const peer = (change: Partial<PeerStatus> = {}): PeerStatus => ({
  isSynced: true,
  length: 10,
  complete: 10,
  isDownloading: true,
  ...change
})

const feed = (change: Partial<FeedStatus> = {}): FeedStatus => ({
  id: 'f',
  key: b4a.alloc(32),
  length: 10,
  complete: 10,
  cutoff: null,
  isSparse: false,
  isForked: false,
  isOverQuota: false,
  isRecovering: false,
  isSettled: true,
  peers: [peer()],
  ...change
})

test('no goal is fixed while a feed is unsettled or a peer has not told its length', t => {
  t.is(SyncGoal.freeze([feed({ isSettled: false, peers: [] })]), null)
  t.is(SyncGoal.freeze([feed(), feed({ id: 'g', peers: [peer({ isSynced: false })] })]), null)
  t.is(SyncGoal.freeze([feed()])?.feeds, 1)
  t.is(SyncGoal.freeze([])?.feeds, 0)
})

test('what comes after the goal was fixed is not in it', t => {
  const goal = SyncGoal.freeze([feed()]) as SyncGoal
  const grown = [
    feed({ length: 15, peers: [peer({ length: 20, complete: 10 })] }),
    feed({ id: 'new', complete: 0 })
  ]
  t.deepEqual(goal.missing(grown), { ours: 0, theirs: 0 })
  t.is(goal.blocks(grown), 10)
})

test('both directions count: what we lack, and what a peer that downloads lacks of ours', t => {
  const before = [feed({ complete: 4, length: 8, peers: [peer({ length: 9, complete: 1 })] })]
  const goal = SyncGoal.freeze(before) as SyncGoal
  t.deepEqual(goal.missing(before), { ours: 5, theirs: 3 })
  t.deepEqual(
    goal.missing([feed({ complete: 9, peers: [peer({ length: 9, complete: 1, isDownloading: false })] })]),
    {
      ours: 0,
      theirs: 0
    }
  )
})

test('a claim of a peer that left falls to what the others claim', t => {
  const near = peer({ length: 5, complete: 5 })
  const goal = SyncGoal.freeze([feed({ complete: 3, peers: [near, peer()] })]) as SyncGoal
  t.is(goal.missing([feed({ complete: 3, peers: [near, peer()] })]).ours, 7)
  t.is(goal.missing([feed({ complete: 3, peers: [near] })]).ours, 2)
  t.is(goal.missing([feed({ complete: 3, peers: [] })]).ours, 0)
})

test('what is behind a cutoff, or over a quota, is not missing, and a writer that recovers is not waited for', t => {
  const lacking = { complete: 4, peers: [peer({ isDownloading: false })] }
  for (const change of [{ cutoff: 4 }, { isOverQuota: true }, { isRecovering: true }]) {
    const goal = SyncGoal.freeze([feed({ ...lacking, ...change })]) as SyncGoal
    t.is(goal.missing([feed({ ...lacking, ...change })]).ours, 0)
  }
  t.is(progressOf(feed({ ...lacking, cutoff: 4 })).state, 'complete')
  t.is(progressOf(feed({ ...lacking, isOverQuota: true })).state, 'quota')
  t.is(progressOf(feed({ ...lacking, isRecovering: true })).state, 'recovering')
})

test('a sparse, a forked and a revoked feed hold no goal up', t => {
  const lacking = { complete: 0, peers: [peer({ isDownloading: false })] }
  const goal = SyncGoal.freeze([feed({ id: 'a', ...lacking }), feed({ id: 'b', ...lacking })]) as SyncGoal
  const later = [feed({ id: 'a', ...lacking, isSparse: true }), feed({ id: 'b', ...lacking, isForked: true })]
  t.deepEqual(goal.missing(later), { ours: 0, theirs: 0 })
  t.deepEqual(goal.missing([]), { ours: 0, theirs: 0 })
})

test('progress names the state of a feed', t => {
  t.is(progressOf(feed()).state, 'complete')
  t.is(progressOf(feed({ complete: 3 })).state, 'downloading')
  t.is(progressOf(feed({ complete: 3, peers: [] })).state, 'waiting')
  t.is(progressOf(feed({ complete: 3, isSparse: true })).state, 'sparse')
  t.is(progressOf(feed({ isForked: true })).state, 'forked')
  t.is(progressOf(feed({ length: 0, complete: 0, peers: [] })).state, 'complete')
  t.is(progressOf(feed({ peers: [peer({ length: 12 })] })).target, 12)
})
