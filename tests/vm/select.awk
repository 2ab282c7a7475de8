# The suite on stdin or of the files, without the tests that lack the tag "want" and, if that is not empty, the tag "more";
# all of it if "want" is empty.
#
# bats could select by itself, but looks at every test for it, which takes an emulated CPU half a minute.
FNR == 1 { of_file = of_test = "" }
/^# bats file_tags=/ { of_file = of_file "," substr($0, 18) }
/^# bats test_tags=/ { of_test = of_test "," substr($0, 18) }
/^@test / {
	tags = of_file of_test ","
	dropped = want && !index(tags, "," want ",") && !(more && index(tags, "," more ","))
}
!dropped
/^}/ { dropped = 0 }
/^@test / { of_test = "" }
