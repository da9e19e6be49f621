/** Limits are told: the code and the name of the limit to whoever ran into it, a reason to the remote, a counter to whoever looks. */
import { FeedSet } from '@hearsay/feeds'
import { createKeyPair } from '@hearsay/gossip'
import { type PartyRules, rules } from '@hearsay/party'
import test from 'ava'
import { gossipNode } from '../support/gossip-node.js'
import { connectParties, onlyPeer, partyNode } from '../support/party-node.js'
import { temporaryFolder } from '../support/temporary.js'
import { until } from '../support/until.js'

test('U7 what is too large here is refused with size, limit and name of the limit', async t => {
  const { topic } = gossipNode(t, { topic: { valueEncoding: 'binary' } })
  const tooLarge = {
    code: 'ERR_GOSSIP_TOO_LARGE',
    message: /70000 bytes, limit is 65536 \(maxMessageBytes\)/
  }
  await t.throwsAsync(topic.publish(new Uint8Array(70_000)), tooLarge)

  const [a, b] = [await partyNode(t), await partyNode(t)]
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  const code = 'ERR_PARTY_TOO_LARGE'
  const feed = await a.party.feeds.writer('w')
  await t.throwsAsync(a.party.introduce(feed, { note: 'x'.repeat(2000) }), {
    code,
    message: /limit is 1024 \(maxMetaBytes\)/
  })
  const type = 'x'.repeat(65)
  await t.throwsAsync(peer.request({ type }), { code, message: /65 bytes, limit is 64 \(maxTypeBytes\)/ })
  await t.throwsAsync(peer.request({ type: 'x', value: 'x'.repeat(70_000) }), {
    code,
    message: /limit is \d+ \(maxFrameBytes\)/
  })

  const set = new FeedSet(await temporaryFolder(t), { maxFeeds: 2 })
  t.teardown(() => set.close())
  for (let i = 0; i < 2; i++) await set.authorize(createKeyPair().publicKey)
  const full = await t.throwsAsync(set.authorize(createKeyPair().publicKey), { code: 'ERR_FEEDS_SET_FULL' })
  t.regex(full?.message ?? '', /2/)
})

test('U7 calls beyond what may be open are refused at once, and one that ends makes room', async t => {
  const waiting: (() => void)[] = []
  const handlers: PartyRules = {
    onRequest: () => new Promise(resolve => waiting.push(() => resolve({ type: 'done' })))
  }
  const limits = { maxCalls: 4, maxRuleCallsPerPeer: 4 }
  const [a, b] = [await partyNode(t, { limits }), await partyNode(t, { rules: handlers, limits })]
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  const open = Array.from({ length: 4 }, () => peer.request({ type: 'x' }))
  await t.throwsAsync(peer.request({ type: 'x' }), { code: 'ERR_PARTY_BUSY' })
  await until(() => waiting.length === 4)
  waiting[0]?.()
  t.is((await open[0])?.type, 'done')
  const next = peer.request({ type: 'x' })
  await until(() => waiting.length === 5)
  for (const answer of waiting) answer()
  t.deepEqual(
    (await Promise.all([...open, next])).map(({ type }) => type),
    Array(5).fill('done')
  )
})

test('U7 X19 a remote is told the code of the limit that it ran into, the application by reject, and it is counted', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t, { rules: rules.open({ maxPerAuthor: 2 }) })]
  const rejected: string[] = []
  b.party.on('reject', ({ reason }) => rejected.push(reason))
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  await onlyPeer(b.party)
  const keys: Uint8Array[] = []
  for (const name of ['one', 'two', 'three']) keys.push((await a.party.feeds.writer(name)).key)
  const reasons: string[] = []
  for (const key of keys) {
    const { rejected: refused } = await peer.introduceFeeds({ keys: [key] })
    reasons.push(...refused.map(({ reason }) => reason))
  }
  t.deepEqual(reasons, ['ERR_PARTY_LIMIT'])
  t.deepEqual(rejected, ['ERR_PARTY_LIMIT'])
  t.is(b.party.feeds.size, 2)

  const [manual, member] = [await partyNode(t, { limits: { maxPendingPerAuthor: 2 } }), await partyNode(t)]
  connectParties(member.party, manual.party)
  const many = Array.from({ length: 5 }, () => createKeyPair().publicKey)
  const answer = await (await onlyPeer(member.party)).introduceFeeds({ keys: many })
  t.deepEqual(answer.rejected.map(({ reason }) => reason).toSorted(), [
    ...Array(3).fill('ERR_PARTY_LIMIT'),
    'pending',
    'pending'
  ])
  t.is(
    Object.values(manual.party.drops).reduce((sum, count) => sum + count, 0),
    3
  )
})
