import { rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import { connect, newParty, until } from './support-parties.js'

const text = (value: unknown): string => b4a.toString(value as Uint8Array)

test('E3: two empty sets take each other in, and synced() ends', async t => {
  const a = await newParty(t, 1, { rules: rules.open() })
  const b = await newParty(t, 2, { rules: rules.open() })
  t.is(a.feeds.size, 0)
  const foo = await a.feeds.writer('w')
  const bar = await b.feeds.writer('w')
  await foo.append(b4a.from('foo'))
  await bar.append(b4a.from('bar'))
  t.is(a.feeds.size, 1)
  await a.introduce(foo)
  await b.introduce(bar)
  connect(a, b)
  await Promise.all([a.synced({ timeoutMs: 8000 }), b.synced({ timeoutMs: 8000 })])
  t.is(a.feeds.size, 2)
  t.is(b.feeds.size, 2)
  t.is(text(await a.feeds.get(bar.key)?.get(0)), 'bar')
  t.is(text(await b.feeds.get(foo.key)?.get(0)), 'foo')
  t.is((await a.feeds.writer('w')).id, foo.id)
})

test('E2: Alice and Bob introduce and grant within the handshake', async t => {
  const alice = await newParty(t, 1)
  const bob = await newParty(t, 2)
  for (const party of [alice, bob]) {
    const feed = await party.feeds.writer('log')
    party.setRules({
      async handshake({ peer }) {
        await peer.introduceFeeds({ keys: [feed.key] })
        await peer.replicate(feed)
      },
      onIntroduceFeeds: ({ message }) => message.keys
    })
  }
  const log = await alice.feeds.writer('log')
  const lines: string[] = []
  bob.on('feed', async feed => {
    if (feed.writable) return
    try {
      for await (const line of feed.createReadStream({ live: true })) lines.push(text(line))
    } catch {
      // the set closes at the end of the test
    }
  })
  connect(alice, bob)
  for (let i = 0; i < 5; i++) {
    await log.append(b4a.from(`line ${i}`))
    await until(`line ${i}`, () => lines.length > i)
  }
  t.deepEqual(lines, ['line 0', 'line 1', 'line 2', 'line 3', 'line 4'])
})
