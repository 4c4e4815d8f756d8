-- Take what sources say of users in one channel.
--
-- KEYS: as typists.lua
-- ARGV: as typists.lua; then for each report: source, user id, milliseconds, and 1 if who stops does
--       so everywhere, or who goes on only renews
-- Reply: for each, 1 if it was taken, 0 if there are too many others or nothing to renew

local were_typists = redis.call('EXISTS', SOURCES) == 1
local is_changed = false

-- What must wait may be undone meanwhile, and what has ended unannounced may be: who reads in
-- between must hear of that.
local function change(has_ended)
  is_changed = true
  if has_ended or held_until() then
    note_change()
  end
end

local function let_go(member)
  local over_at = redis.call('ZSCORE', SOURCES, member)
  if over_at then
    change(tonumber(over_at) <= now)
    redis.call('ZREM', SOURCES, member)
  end
end

local function stop(source, user_id, is_everywhere)
  if not is_everywhere then
    let_go(source .. ' ' .. user_id)
    return
  end
  for _, member in ipairs(redis.call('ZRANGE', SOURCES, 0, -1)) do
    if user_of(member) == user_id then
      let_go(member)
    end
  end
end

local function is_full()
  if redis.call('ZCARD', SOURCES) < MOST then
    return false
  end
  if redis.call('ZREMRANGEBYSCORE', SOURCES, '-inf', now) > 0 then
    change(true)
  end
  return redis.call('ZCARD', SOURCES) >= MOST
end

-- Who only goes on changes nothing: the channel is looked at when the former time is over, or
-- sooner.
local function go_on(member, lasts, only_renews)
  local former = redis.call('ZSCORE', SOURCES, member)
  if only_renews and (not former or tonumber(former) <= now) then
    return 0
  end
  if not former and is_full() then
    return 0
  end
  if not former or tonumber(former) <= now then
    change(redis.call('ZCOUNT', SOURCES, '-inf', now) > 0)
  elseif now + lasts < tonumber(former) then
    redis.call('ZADD', DUE, 'LT', now + lasts, CHANNEL)
  end
  redis.call('ZADD', SOURCES, now + lasts, member)
  return 1
end

local taken = {}
for i = FIRST, #ARGV, 4 do
  local source, user_id, lasts = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local is_so = ARGV[i + 3] == '1'
  if lasts > 0 then
    taken[#taken + 1] = go_on(source .. ' ' .. user_id, lasts, is_so)
  else
    stop(source, user_id, is_so)
    taken[#taken + 1] = 1
  end
end
if is_changed then
  settle(were_typists)
end
return taken
