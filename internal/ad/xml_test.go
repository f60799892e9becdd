package ad

import (
	"strings"
	"testing"

	"gridburst/internal/grid"
)

func TestXMLHoldsEveryValue(t *testing.T) {
	const long = `B = true
E = error
Expr = x + 1 > TARGET.Memory
I = -5
L = { 1,"two",{ 3.5 } }
N = [ A = [ B = "deep" ]; C = 1 ]
R = 2.5
S = "a <b> & \"c\" ]]> ä"
U = undefined
`
	a, err := ParseLong(long)
	if err != nil {
		t.Fatal(err)
	}
	text := string(a.AppendXML(nil))
	for _, line := range []string{
		`    <a n="B"><b v="t"/></a>`, `    <a n="I"><i>-5</i></a>`, `    <a n="R"><r>2.5</r></a>`, `    <a n="U"><un/></a>`,
		`    <a n="S"><s>a &lt;b&gt; &amp; "c" ]]&gt; ä</s></a>`, `            <a n="B"><s>deep</s></a>`, `    </c></a>`, `</c>`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	back, err := ParseXML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(back.AppendLong(nil)); got != long {
		t.Errorf("read as\n%s", got)
	}
}

func TestXMLThatIsNoAdIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "<x/>", "<c>", `<c><a n="A"></a></c>`, `<c><a n="A"><i>one</i></a></c>`, `<c><a n="9"><i>1</i></a></c>`, `<c><b/></c>`,
		`<c><a n="A"><i>1</i><i>2</i></a></c>`, `<c><a n="A"><e>1 +</e></a></c>`, `<c><a n="A"><q/></a></c>`,
	} {
		if _, err := ParseXML([]byte(text)); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
	deep := strings.Repeat(`<c><a n="A">`, MaxDepth+2) + "<i>1</i>" + strings.Repeat("</a></c>", MaxDepth+2)
	if _, err := ParseXML([]byte(deep)); grid.CodeOf(err) != grid.TooLarge {
		t.Errorf("a deep one: %v", err)
	}
}
