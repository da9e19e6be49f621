/**
 * What is told while a party syncs: the total before the download, and how much of each feed every peer has.
 */
import { type PartyProgress, rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import { connect, newParty, until } from './support-parties.js'

const blocks = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => b4a.from(`block ${i}`))
const sum = (list: readonly PartyProgress[], of: 'target' | 'complete' | 'missing'): number =>
  list.reduce((total, progress) => total + progress[of], 0)

test('the total is known before a block has come or a feed is open, and then only what is missing falls', async t => {
  const author = await newParty(t, 1, { rules: rules.open() })
  const reader = await newParty(t, 2, { rules: rules.open() })
  const [long, short] = [await author.feeds.writer('long'), await author.feeds.writer('short')]
  await long.append(blocks(300))
  await short.append(blocks(20))
  await author.introduce([long, short])

  /** What is told first of each feed, beside that it is in the set. */
  const first = new Map<string, PartyProgress>()
  const look = (): void => {
    for (const progress of reader.progress())
      if (progress.target > 0 && !first.has(progress.id)) first.set(progress.id, progress)
  }
  reader.on('feed', look).on('progress', look)
  const told: PartyProgress[] = []
  reader.on('progress', progress => told.push(progress))
  connect(author, reader)

  t.deepEqual(await reader.synced({ timeoutMs: 10_000 }), { feeds: 2, blocks: 320 })
  const before = [...first.values()]
  t.deepEqual([sum(before, 'target'), sum(before, 'complete'), sum(before, 'missing')], [320, 0, 320])
  const [peer] = reader.peers
  for (const { target, byPeer } of before) {
    t.deepEqual(
      byPeer.map(one => [one.peer === peer, one.length, one.complete]),
      [[true, target, target]]
    )
  }
  t.deepEqual(
    reader.progress().map(({ state, missing }) => [state, missing]),
    [
      ['complete', 0],
      ['complete', 0]
    ]
  )
  await until('the last is told', () => told.some(({ id, complete }) => id === long.id && complete === 300))
  const missing = told.filter(({ id }) => id === long.id).map(progress => progress.missing)
  t.deepEqual(
    missing,
    [...missing].sort((a, b) => b - a),
    'it only falls'
  )
})

test('of a feed that two peers have it is told how much each has; a peer that goes takes its part with it', async t => {
  const author = await newParty(t, 1, { rules: rules.open() })
  const copy = await newParty(t, 2, { rules: rules.open() })
  const reader = await newParty(t, 3) // decides nothing, so nothing is fetched
  const log = await author.feeds.writer('log')
  await log.append(blocks(30))
  await author.introduce(log)
  connect(author, copy)
  await copy.synced({ timeoutMs: 10_000 })
  await reader.feeds.authorize(log.key, undefined, { download: 'sparse' })
  const first = connect(author, reader)
  connect(copy, reader)
  const held = (): number[] => reader.progress()[0]?.byPeer.map(({ complete }) => complete) ?? []
  await until('both have told', () => held().length === 2)
  t.deepEqual(held(), [30, 30])
  t.deepEqual(
    [reader.progress()[0]?.missing, reader.progress()[0]?.state],
    [0, 'sparse'],
    'it is not to be fetched'
  )
  first.cut()
  await until('one is gone', () => held().length === 1)
  t.pass()
})
