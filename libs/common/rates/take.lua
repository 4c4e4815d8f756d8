#!lua flags=allow-oom
-- Do an act if it is not done too often: `rates.gcra.judge`, by the clock of the server.
--
-- KEYS: when all that was allowed before will have been earned, in seconds; expires then
-- ARGV: rate, cost, grain of instants in seconds
-- Reply: the seconds to wait, as text
--
-- Without memory left it still counts: an app has a small key for each of its limits at most, and
-- what is limited is refused elsewhere if it needs memory.  A server that refuses to write for
-- another reason lets nothing pass.

local rate, cost, grain = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

local burst = math.max(1, rate)
local full = now + burst / rate
local earned_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
local before = math.min(math.max(earned_at, now), full + grain)
local after = before + math.min(cost, burst) / rate

local function keep(instant)
  local lives = math.max(1, math.ceil((instant - now) * 1000))
  redis.call('SET', KEYS[1], string.format('%.17g', instant), 'PX', string.format('%.0f', lives))
end

local wait = after - full
if wait <= grain then
  keep(after)
  return '0'
end
if before < earned_at then
  keep(before)
end
return string.format('%.17g', wait)
