/** A feed of the set is a Hypercore session: structures of the ecosystem stand on it. */
import { FeedSet } from '@hearsay/feeds'
import test from 'ava'
import Hyperbee from 'hyperbee'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'

test('B46 a Hyperbee on a writer is read by a Hyperbee on the same feed at another peer', async t => {
  const folder = await temporaryFolder(t)
  const [alice, bob] = [new FeedSet(`${folder}/alice`), new FeedSet(`${folder}/bob`)]
  t.teardown(() => Promise.all([alice.close(), bob.close()]))
  const options = { keyEncoding: 'utf-8', valueEncoding: 'json' }
  const written = new Hyperbee(await alice.writer('pairs'), options)
  await written.put('answer', { is: 42 })
  const feed = await bob.authorize((await alice.writer('pairs')).key)
  const { a, b } = noisePair()
  alice.replicate(a)
  bob.replicate(b)
  await bob.synced()
  const read = new Hyperbee(feed, options)
  t.deepEqual((await read.get('answer'))?.value, { is: 42 })
  t.is(await read.get('question'), null)
})
