# Prints the verbs of a Makefile: "##@" opens a section, "##" after a target is its help.
BEGIN { FS = ":.*## "; print "Usage: make VERB" }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / { printf "  %-14s %s\n", $1, $2 }
