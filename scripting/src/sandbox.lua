-- Takes the globals out of the reach of scripts. What scripts see of a table that they share is a guard: an empty table that
-- shows the other, and refuses to be changed. Nothing here looks at a global.
local globals, seen, handler, readable, absent, library_globals = ...

local READONLY = 'Attempt to modify a readonly table'

-- These names stand in messages of Lua, so they are those that scripts know.
local error, getmetatable, next, pairs = globals.error, globals.getmetatable, globals.next, globals.pairs
local pcall, rawget, rawset, setmetatable = globals.pcall, globals.rawget, globals.rawset, globals.setmetatable
local newproxy = rawget(globals, 'newproxy')
local tonumber, type, unpack, xpcall = globals.tonumber, globals.type, globals.unpack, globals.xpcall
local concat, foreach, insert = globals.table.concat, globals.table.foreach, globals.table.insert
local find, gmatch, gsub, match = globals.string.find, globals.string.gmatch, globals.string.gsub, globals.string.match
local loadstring, resume = globals.loadstring, globals.coroutine.resume

-- What guards show.
local guarded = {}

local function refuse()
    error(READONLY, 2)
end

local function guard(shown, metatable, empty)
    local sight = { __index = shown, __newindex = refuse, __metatable = metatable or false }
    local guarding = setmetatable(empty or {}, sight)
    guarded[guarding] = shown
    return guarding, sight
end

-- What a script sees of something that was raised.
local function settle(raised)
    if type(raised) == 'userdata' then
        raised = readable(raised)
    end
    if type(raised) == 'string' and find(raised, '^sandbox:%d') then
        return (gsub(raised, '^sandbox:%d+: ', ''))
    end
    return raised
end

local function caught(done, ...)
    if done then
        return done, ...
    end
    local raised = settle((...))
    if type(raised) == 'table' then
        -- Scripts expect strings.
        local text = rawget(raised, 'err')
        if type(text) == 'string' or type(text) == 'number' then
            return false, text
        end
    end
    return false, raised
end

function globals.pcall(...)
    return caught(pcall(...))
end

function globals.xpcall(called, handler)
    return xpcall(called, function(raised)
        return handler(settle(raised))
    end)
end

local function resumed(done, ...)
    if done then
        return done, ...
    end
    return false, settle((...))
end

function globals.coroutine.resume(...)
    return resumed(resume(...))
end

function globals.next(list, key)
    return next(guarded[list] or list, key)
end

function globals.pairs(list)
    if guarded[list] then
        return globals.next, list, nil
    elseif type(list) ~= 'table' then
        error("bad argument #1 to 'pairs' (table expected, got " .. type(list) .. ')', 2)
    end
    return pairs(list)
end

function globals.rawget(list, key)
    return rawget(guarded[list] or list, key)
end

function globals.rawset(list, ...)
    if guarded[list] then
        error(READONLY, 0)
    end
    return rawset(list, ...)
end

function globals.setmetatable(list, ...)
    if guarded[list] then
        error(READONLY, 0)
    end
    return setmetatable(list, ...)
end

function globals.table.foreach(list, called)
    return foreach(guarded[list] or list, called)
end

function globals.table.insert(list, ...)
    if guarded[list] then
        error(READONLY, 0)
    end
    return insert(list, ...)
end

-- Every item of a pattern costs native stack.
local PATTERN_MAX = 2000

local function check(pattern)
    if find(pattern, '[%^%$%*%+%?%.%(%[%%%-]') then
        error('pattern too complex', 3)
    end
end

function globals.string.find(text, pattern, from, is_plain)
    if not is_plain and type(pattern) == 'string' and #pattern > PATTERN_MAX then
        check(pattern)
    end
    return find(text, pattern, from, is_plain)
end

function globals.string.match(text, pattern, from)
    if type(pattern) == 'string' and #pattern > PATTERN_MAX then
        check(pattern)
    end
    return match(text, pattern, from)
end

function globals.string.gmatch(text, pattern)
    if type(pattern) == 'string' and #pattern > PATTERN_MAX then
        check(pattern)
    end
    return gmatch(text, pattern)
end
globals.string.gfind = globals.string.gfind and globals.string.gmatch

function globals.string.gsub(text, pattern, ...)
    if type(pattern) == 'string' and #pattern > PATTERN_MAX then
        check(pattern)
    end
    return gsub(text, pattern, ...)
end

-- Lua counts in 32 bits and does not see when that is too little.
local RESULTS_MAX, INTEGER_MAX = 7990, 2 ^ 31 - 1

function globals.unpack(list, first, last)
    if first == nil and last == nil or type(list) ~= 'table' then
        return unpack(list)
    end
    local from, to = first == nil and 1 or tonumber(first), last == nil and #list or tonumber(last)
    if not from or not to then
        return unpack(list, first, last)
    elseif from > to then
        return
    elseif not (to - from < RESULTS_MAX) then
        error('too many results to unpack', 2)
    elseif from > -INTEGER_MAX and to < INTEGER_MAX then
        return unpack(list, from, to)
    end
    local part, count = {}, 0
    for index = from, to do
        count = count + 1
        part[count] = rawget(list, index)
    end
    return unpack(part, 1, count)
end

local function gather(reader)
    local pieces, count = {}, 0
    while true do
        local piece = reader()
        if piece == nil or piece == '' then
            return concat(pieces)
        elseif type(piece) ~= 'string' and type(piece) ~= 'number' then
            error('reader function must return a string', 0)
        end
        count = count + 1
        pieces[count] = piece
    end
end

function globals.load(reader, name)
    if type(reader) ~= 'function' then
        error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ')', 2)
    end
    local done, source = pcall(gather, reader)
    if not done then
        return nil, settle(source)
    end
    return loadstring(source, name == nil and '=(load)' or name)
end

-- Finalizers would run at any time, in any script.
local function make_proxy(like)
    local proxy = newproxy(like)
    if like == true then
        local metatable = getmetatable(proxy)
        local function set(_, key, value)
            if key == '__gc' then
                error(READONLY, 2)
            end
            rawset(metatable, key, value)
        end
        metatable.__metatable = setmetatable({}, { __index = metatable, __newindex = set, __metatable = false })
    end
    return proxy
end
globals.newproxy = newproxy and make_proxy

local guards = {}
local function guard_parts(of)
    for name, part in next, of do
        if type(part) == 'table' and part ~= seen then
            guards[part] = guards[part] or guard(part)
            of[name] = guards[part]
        end
    end
end
globals._G = seen
guard_parts(globals)
local strings = getmetatable('')
strings.__metatable = guard({ __index = globals.string })
local _, sight = guard(globals, guard({ __index = absent }), seen)

local function run(script, keys, arguments, is_function)
    if is_function then
        return xpcall(function() return script(keys, arguments) end, handler)
    end
    globals.KEYS = keys
    globals.ARGV = arguments
    return xpcall(script, handler)
end

-- Most scripts have few keys. Lua makes tables more quickly than anybody else.
local function run_0(script, ...)
    globals.KEYS = {}
    globals.ARGV = {...}
    return xpcall(script, handler)
end

local function run_1(script, key, ...)
    globals.KEYS = {key}
    globals.ARGV = {...}
    return xpcall(script, handler)
end

local function run_2(script, key, other, ...)
    globals.KEYS = {key, other}
    globals.ARGV = {...}
    return xpcall(script, handler)
end

local spread = {run_0, run_1, run_2}

if not library_globals then
    return run, spread
end
guard_parts(library_globals)

-- While a library is loaded other globals are seen.
local function load(code)
    sight.__index = library_globals
    return xpcall(code, settle)
end

local function show_globals()
    sight.__index = globals
end

return run, spread, load, show_globals
