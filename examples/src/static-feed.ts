/**
 * A feed that nobody can append to: its key names its content, as a checksum does, and is all that a reader needs.
 *
 *   node static-feed.js STORAGE      STORAGE: a folder for all three sets, made if needed
 */
import { FeedSet } from '@hearsay/feeds'
import { loopback } from './loopback.js'

const [storage] = process.argv.slice(2)
if (!storage) throw new TypeError('usage: static-feed.js STORAGE')
const open = (name: string): FeedSet<string> =>
  new FeedSet<string>(`${storage}/${name}`, { valueEncoding: 'utf-8' })
const [alice, bob, carol] = [open('alice'), open('bob'), open('carol')]

async function freezePage(set: FeedSet<string>) {
  const draft = await set.writer('page')
  await draft.append(['a first line', 'a second line'])
  return set.freeze('page')
}

const frozen = await freezePage(alice)
console.log(`frozen with ${frozen.length} blocks`)
console.log(`frozen elsewhere it has the same key: ${(await freezePage(bob)).id === frozen.id}`)
await frozen.append('a third line').catch((error: { code: string }) => console.log(`append: ${error.code}`))

// Carol is handed the key, and it doesn't matter whom she gets the blocks from.
const page = await carol.authorize(frozen.id)
const [left, right] = await loopback()
bob.replicate(left, { initiator: true })
carol.replicate(right, { initiator: false })
await carol.synced()
for await (const line of page.createReadStream()) console.log(`carol reads ${line}`)

for (const set of [alice, bob, carol]) await set.close()
left.end()
