'use strict';

const AGENT_PORT = 6832;
const LIVE_FLUSH_MS = 100;

/**
 * The configuration with what the environment says. SKUA_JAEGER_AGENT (host:port, set by Skua's agent for the programs it starts)
 * and SKUA_JAEGER_SAMPLER (type:param) win over the program's own; spans then leave ten times a second, for the live view.
 * JAEGER_AGENT_HOST and JAEGER_AGENT_PORT count where the program says nothing.
 */
function withEnvironment(config, env = process.env) {
  const reporter = { ...config.reporter };
  let sampler = config.sampler;
  if (reporter.collectorEndpoint === undefined) {
    if (reporter.agentHost === undefined && env.JAEGER_AGENT_HOST) reporter.agentHost = env.JAEGER_AGENT_HOST;
    if (reporter.agentPort === undefined && env.JAEGER_AGENT_PORT)
      reporter.agentPort = Number(env.JAEGER_AGENT_PORT);
  }
  if (env.SKUA_JAEGER_AGENT) {
    const colon = env.SKUA_JAEGER_AGENT.lastIndexOf(':');
    reporter.agentHost = colon < 0 ? env.SKUA_JAEGER_AGENT : env.SKUA_JAEGER_AGENT.slice(0, colon);
    reporter.agentPort = colon < 0 ? AGENT_PORT : Number(env.SKUA_JAEGER_AGENT.slice(colon + 1));
    reporter.flushIntervalMs = Math.min(reporter.flushIntervalMs ?? LIVE_FLUSH_MS, LIVE_FLUSH_MS);
    delete reporter.collectorEndpoint;
  }
  if (env.SKUA_JAEGER_SAMPLER) {
    const [type, param] = env.SKUA_JAEGER_SAMPLER.split(':');
    sampler = { type, param: Number(param) };
  }
  return { ...config, reporter, ...(sampler === undefined ? {} : { sampler }) };
}

module.exports = { withEnvironment };
