-- Take what sources say of users in one channel.
--
-- KEYS: as typists.lua
-- ARGV: as typists.lua; then for each report: source, user id, milliseconds, 1 if who stops does so
--       everywhere, and how many milliseconds ago the user said so
-- Reply: for each, 1 if it was taken, 0 if there are too many others or all was ended since

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

-- The members of a user's sources.  They are looked up once: a script may end many.
local members_of = nil

local function index(member)
  if members_of then
    local user_id = user_of(member)
    members_of[user_id] = members_of[user_id] or {}
    table.insert(members_of[user_id], member)
  end
end

local function members(user_id)
  if not members_of then
    members_of = {}
    for _, member in ipairs(redis.call('ZRANGE', SOURCES, 0, -1)) do
      index(member)
    end
  end
  return members_of[user_id] or {}
end

-- A word that was said before, and arrives later, is not taken.
local function note_end(user_id, at)
  redis.call('ZADD', ENDED, 'GT', at, user_id)
  redis.call('ZREMRANGEBYRANK', ENDED, 0, -MOST - 1)
  redis.call('PEXPIRE', ENDED, ENDED_FOR)
end

local function was_ended_since(user_id, at)
  local ended = redis.call('ZSCORE', ENDED, user_id)
  return ended and at < tonumber(ended)
end

local function stop(source, user_id, is_everywhere, said_at)
  if not is_everywhere then
    let_go(source .. ' ' .. user_id)
    return
  end
  for _, member in ipairs(members(user_id)) do
    let_go(member)
  end
  note_end(user_id, said_at)
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
-- sooner.  A source whose last word was said before all was ended has none any more.
local function go_on(source, user_id, lasts, said_at)
  local member = source .. ' ' .. user_id
  if was_ended_since(user_id, said_at) then
    let_go(member)
    return 0
  end
  local former = redis.call('ZSCORE', SOURCES, member)
  if not former and is_full() then
    return 0
  end
  if not former or tonumber(former) <= now then
    change(redis.call('ZCOUNT', SOURCES, '-inf', now) > 0)
  elseif now + lasts < tonumber(former) then
    redis.call('ZADD', DUE, 'LT', now + lasts, CHANNEL)
  end
  redis.call('ZADD', SOURCES, now + lasts, member)
  index(member)
  return 1
end

local taken = {}
for i = FIRST, #ARGV, 5 do
  local source, user_id, lasts = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local is_everywhere, said_at = ARGV[i + 3] == '1', now - tonumber(ARGV[i + 4])
  if lasts > 0 then
    taken[#taken + 1] = go_on(source, user_id, lasts, said_at)
  else
    stop(source, user_id, is_everywhere, said_at)
    taken[#taken + 1] = 1
  end
end
if is_changed then
  settle(were_typists)
end
return taken
