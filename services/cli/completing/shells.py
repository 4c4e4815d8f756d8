"""
Scripts by which shells complete a command line: bash, zsh and fish.

Pure.  Each script finds out on which branch the cursor is, passing over what options take, and
offers what may stand there.  They are whole: to complete asks no program, which would take longer
than anybody waits for a word.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from services.cli.completing.branches import Branch, Option

_BASH = """\
# Completion of fanfare for bash.
_fanfare() {
    local branch= word skip= words=
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} before=
    # Bash takes --option=value for three words, unless COMP_WORDBREAKS has no = any more.
    if [[ "$current" == --*=* ]]; then
        previous=${current%%=*} before=${current%%=*}=
        current=${current#*=}
    elif [ "$current" = "=" ]; then
        current=
    elif [ "$previous" = "=" ]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [ -n "$skip" ]; then
            [ "$word" = "=" ] || skip=
            continue
        fi
        case "$branch $word" in
            @VALUED@) skip=1 ;;
            *) case "$branch/$word" in
                @BRANCHES@) branch=$branch/$word ;;
            esac ;;
        esac
    done
    case "$branch $previous" in
@FOLLOWING@
    esac
    case "$branch" in
@WORDS@
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _fanfare fanfare
"""

_ZSH = """\
#compdef fanfare
# Completion of fanfare for zsh.
_fanfare() {
    local branch= word skip= previous=${words[CURRENT-1]}
    local -a found
    if [[ $PREFIX == --*=* ]]; then
        previous=${PREFIX%%=*}
        compset -P '*='
    fi
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $skip ]]; then
            skip=
            continue
        fi
        case "$branch $word" in
            (@VALUED@) skip=1 ;;
            (*) case "$branch/$word" in
                (@BRANCHES@) branch=$branch/$word ;;
            esac ;;
        esac
    done
    case "$branch $previous" in
@FOLLOWING@
    esac
    case "$branch" in
@WORDS@
    esac
    _describe fanfare found
}
if [[ $funcstack[1] = _fanfare ]]; then
    _fanfare "$@"
else
    compdef _fanfare fanfare
fi
"""

_FISH = """\
# Completion of fanfare for fish.
function __fanfare_at
    set -l branch
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
            continue
        end
        switch "$branch $word"
            case @VALUED@
                set skip 1
            case '*'
                switch "$branch/$word"
                    case @BRANCHES@
                        set branch "$branch/$word"
                end
        end
    end
    test "$branch" = "$argv[1]"
end
complete -c fanfare -f
"""


def bash(branches: Sequence[Branch]) -> str:
    """Write the script for bash."""
    return _filled(
        _BASH,
        branches,
        joint="|",
        following=_following(branches, "", _bash_values),
        words=(
            f"        {_quoted(branch.place)}) words={_quoted(' '.join(_offered(branch)))} ;;"
            for branch in branches
        ),
    )


def _bash_values(option: Option) -> str:
    match option.takes:
        case "file":
            return (
                "compopt -o filenames 2>/dev/null; "
                'COMPREPLY=($(compgen -P "$before" -f -- "$current"))'
            )
        case "choice":
            words = _quoted(" ".join(option.choices))
            return f'COMPREPLY=($(compgen -P "$before" -W {words} -- "$current"))'
    return "COMPREPLY=()"


def zsh(branches: Sequence[Branch]) -> str:
    """Write the script for zsh."""
    return _filled(
        _ZSH,
        branches,
        joint="|",
        following=_following(branches, "(", _zsh_values),
        words=(
            f"        ({_quoted(branch.place)}) found=({_zsh_described(branch)}) ;;"
            for branch in branches
        ),
    )


def _zsh_values(option: Option) -> str:
    match option.takes:
        case "file":
            return "_files"
        case "choice":
            return f"compadd -- {' '.join(map(_quoted, option.choices))}"
    return "_message value"


def _following(
    branches: Sequence[Branch], opening: str, values: Callable[[Option], str]
) -> Iterator[str]:
    """Offer, after an option that takes something, what that may be."""
    for place, option in _valued(branches):
        yield f"        {opening}{_places(place, option, '|')}) {values(option)}; return ;;"


def _zsh_described(branch: Branch) -> str:
    words = [*branch.words, *((each.names[-1], each.summary) for each in branch.options)]
    texts = (f"{word}:{said}" if said else word for word, said in words)
    return " ".join(map(_quoted, texts))


def fish(branches: Sequence[Branch]) -> str:
    """Write the script for fish."""
    head = _filled(_FISH, branches, joint=" ", following=(), words=())
    return head + "".join(f"{line}\n" for branch in branches for line in _fish_lines(branch))


def _fish_lines(branch: Branch) -> Iterator[str]:
    at = f"complete -c fanfare -n '__fanfare_at \"{branch.place}\"'"
    for word, said in branch.words:
        yield f"{at} -a {_quoted(word)} -d {_quoted(said)}"
    for option in branch.options:
        names = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
        )
        match option.takes:
            case "file":
                takes = " -r -F"
            case "choice":
                takes = f" -x -a {_quoted(' '.join(option.choices))}"
            case "text":
                takes = " -x"
            case _:
                takes = ""
        yield f"{at} {names}{takes} -d {_quoted(option.summary)}"


def _filled(
    script: str,
    branches: Sequence[Branch],
    *,
    joint: str,
    following: Iterator[str] | tuple[()],
    words: Iterator[str] | tuple[()],
) -> str:
    """Put into a script what is known of the command line."""
    valued = joint.join(_places(place, option, joint) for place, option in _valued(branches))
    places = joint.join(_quoted(branch.place) for branch in branches if branch.path)
    return (
        script.replace("@VALUED@", valued)
        .replace("@BRANCHES@", places)
        .replace("@FOLLOWING@", "\n".join(following))
        .replace("@WORDS@", "\n".join(words))
    )


def _valued(branches: Sequence[Branch]) -> list[tuple[str, Option]]:
    """Return the options that take something, each with its branch's place."""
    return [
        (branch.place, option)
        for branch in branches
        for option in branch.options
        if option.takes != "nothing"
    ]


def _places(place: str, option: Option, joint: str) -> str:
    return joint.join(_quoted(f"{place} {name}") for name in option.names)


def _offered(branch: Branch) -> list[str]:
    return [word for word, _ in branch.words] + [each.names[-1] for each in branch.options]


def _quoted(text: str) -> str:
    """Quote a text as all three shells take it; an apostrophe becomes another sign."""
    return "'" + text.replace("'", "\u2019").replace("\\", "/") + "'"


SHELLS: Mapping[str, Callable[[Sequence[Branch]], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
