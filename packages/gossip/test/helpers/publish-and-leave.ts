/** A process that publishes one message, destroys its swarm at once, and must end by itself. */
import pubsub from '#gossip/swarm'

const [name = '', bootstrap = '[]'] = process.argv.slice(2)
const swarm = pubsub<string>(name, { bootstrap: JSON.parse(bootstrap) })
await swarm.connected()
void swarm.publish('goodbye')
const destroyed = swarm.destroy()
process.send?.('destroying')
process.disconnect()
await destroyed
