-- Read what stands on the board.
--
-- KEYS: texts, told, lapses, as in tell.lua
-- ARGV: milliseconds for which the silent are kept
-- Reply: for each process its name, its text, for how many milliseconds it stands there, and 1 if
--        its lease has lapsed

local TEXTS, TOLD, LAPSES = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local reply = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', LAPSES, '(' .. (now - ARGV[1]), '+inf')) do
  local told = tonumber(redis.call('ZSCORE', TOLD, process) or now)
  local lapses = tonumber(redis.call('ZSCORE', LAPSES, process))
  local text = redis.call('HGET', TEXTS, process) or ''
  reply[#reply + 1] = {process, text, now - told, lapses <= now and 1 or 0}
end
return reply
