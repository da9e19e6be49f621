/**
 * Two parties over a pipe in memory, which keeps no process up: only what is waited for does.
 *
 *   node waiting-process.js FOLDER
 */
import { Party, rules } from '@hearsay/party'
import b4a from 'b4a'

const [folder = ''] = process.argv.slice(2)
const parties = ['a', 'b'].map(
  name => new Party({ key: new Uint8Array(32).fill(7), storage: `${folder}/${name}`, rules: rules.open() })
)
for (const party of parties) {
  const feed = await party.feeds.writer('log')
  await feed.append(b4a.from('x'))
  await party.introduce(feed)
}
const [left, right] = parties.map((party, n) => party.replicate(n === 0))
if (left !== undefined && right !== undefined) left.pipe(right).pipe(left)
const synced = await Promise.all(parties.map(party => party.synced()))
console.log(JSON.stringify(synced))
for (const party of parties) await party.close()
