// The program around the real library. The test adds the library itself, at the version that the module proxy calls
// the latest: what is installed elsewhere is not in our hands either.
module lockgate.test/golockgate

go 1.20

require lockgate.test/goflock v0.0.0

replace lockgate.test/goflock => ../go-flock
