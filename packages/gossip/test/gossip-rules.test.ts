import type { Message, Peer } from '@hearsay/gossip'
import test from 'ava'
import { connect, linked, node } from './support/gossip-nodes.js'
import { turns, until } from './support/streams.js'

test('A23 U1 validate judges remote and own messages: rejected ones are neither delivered nor forwarded', async t => {
  const verdicts: Record<string, 'accept' | 'ignore' | 'reject'> = { bad: 'reject', dull: 'ignore' }
  const seen: unknown[] = []
  const validate = (message: Message) => {
    seen.push(message.data)
    return verdicts[message.data as string] ?? 'accept'
  }
  for (const isAsync of [false, true]) {
    const rule = isAsync ? async (message: Message) => validate(message) : validate
    const [a, b, c] = [node(t), node(t, { topic: { validate: rule } }), node(t)]
    connect(a, b)
    connect(b, c)
    await linked(a, c)
    await until(() => b.topic.peers().length === 2)
    for (const data of ['good', 'dull', 'fine']) {
      await a.topic.publish(data)
      await turns(3)
    }
    await until(() => c.messages.length === 2)
    t.deepEqual(b.data(), ['good', 'fine'])
    t.deepEqual(c.data(), ['good', 'fine'])
    await a.topic.publish('bad')
    await until(() => b.gossip.stats.drops.rejected === 1)
    await turns(20)
    t.is(c.messages.length, 2)
    await t.throwsAsync(b.topic.publish('bad'), { code: 'ERR_GOSSIP_REJECTED' })
    const both = [b.topic.publish(1), b.topic.publish(2)]
    t.deepEqual(
      (await Promise.all(both)).map(({ seq }) => seq),
      [0, 1]
    )
  }
})

test('a rule that throws refuses, warns, and blames nobody', async t => {
  const fail = () => {
    throw new TypeError('my rule')
  }
  const [a, b] = [node(t), node(t, { topic: { validate: fail } })]
  connect(a, b)
  await linked(a, b)
  await a.topic.publish(1)
  await until(() => b.warnings.length === 1)
  t.is(b.warnings[0]?.code, 'WARN_GOSSIP_RULE_THREW')
  t.is(b.messages.length, 0)
  t.is(b.topic.peers().length, 1)
})

test('authorize is asked once per author, before a signature is checked', async t => {
  const asked: Uint8Array[] = []
  const [a, stranger] = [node(t), node(t)]
  const b = node(t, {
    topic: {
      authorize: async author => {
        asked.push(author)
        return author[0] === a.gossip.publicKey[0] && author[1] === a.gossip.publicKey[1]
      }
    }
  })
  connect(a, b)
  connect(stranger, b)
  await linked(a, stranger)
  await until(() => b.topic.peers().length === 2)
  for (let i = 0; i < 3; i++) {
    await Promise.all([a.topic.publish(i), stranger.topic.publish(i)])
    await turns(10)
  }
  await until(() => b.messages.length === 3 && (b.gossip.stats.drops.unauthorized ?? 0) >= 1)
  t.is(asked.length, 2)
  t.true(b.messages.every(({ id }) => id === a.gossip.id))
  t.is(b.gossip.stats.verified, 3)
})

test('admit keeps a link closed until it says yes, and for ever if it says no', async t => {
  for (const isAdmitted of [true, false]) {
    const asked: unknown[] = []
    const [a, b] = [
      node(t),
      node(t, {
        topic: {
          admit: async peer => {
            asked.push(peer)
            await turns(5)
            return isAdmitted
          }
        }
      })
    ]
    connect(a, b)
    await until(() => asked.length === 1)
    await a.topic.publish('early')
    await turns(30)
    t.is(b.topic.peers().length, isAdmitted ? 1 : 0)
    t.is(asked[0], [...b.gossip.peers][0] as unknown)
    if (isAdmitted) await until(() => b.messages.length === 1)
    else t.is(b.messages.length, 0)
  }
})

test('a dismissed peer hears nothing more, and admit is asked again when it opens anew', async t => {
  const answers: boolean[] = []
  let isWelcome = true
  const admit = () => {
    answers.push(isWelcome)
    return isWelcome
  }
  const [a, b] = [node(t, { topic: { admit } }), node(t)]
  connect(a, b)
  await linked(a, b)
  const peer = a.topic.peers()[0] as Peer
  isWelcome = false
  a.topic.dismiss(peer)
  await until(() => a.topic.peers().length === 0 && b.topic.peers().length === 0)
  t.is((await a.topic.publish('secret')).peers, 0)
  await until(() => answers.length === 2)
  isWelcome = true
  await until(() => answers.length === 3 && b.topic.peers().length === 1)
  t.deepEqual(answers, [true, false, true])
  // The message was kept for the first peer, and this one is welcome again.
  await until(() => b.messages.length === 1)
})
