/** Random names for containers: `adjective_surname`. */
import { randomInt } from 'node:crypto';

const ADJECTIVES: readonly string[] = (
  'agile airy ample amber apt arched balanced bold brave breezy bright brisk calm candid careful clever ' +
  'coastal copper cosy curious deft diligent dry eager early earnest elastic even exact fair firm fluent frank ' +
  'fresh gentle gifted glad golden graceful hardy hearty honest humble inventive jolly keen kind level light ' +
  'lively loyal lucid mellow mindful modest neat nimble noble open orderly patient placid plucky polished ' +
  'precise proud quick quiet ready robust rustic serene sharp silver sincere solid spirited steady stoic sturdy ' +
  'subtle sunny swift tidal tidy tranquil trusty upbeat upright vivid warm watchful wise witty zesty ' +
  'adept alert artful buoyant cheerful crisp daring dapper fearless floating genial handy hopeful jaunty learned ' +
  'merry musing nautical peaceful prudent radiant seaworthy snug sound tireless weathered'
).split(' ');

/**
 * Builders of bridges, tunnels, harbours and machines, engineers, surveyors and navigators.
 */
const SURNAMES: readonly string[] = (
  'ammann archimedes armstrong arup babbage baker barlow bazalgette bernoulli bessemer bouch brunel calatrava ' +
  'carnot castigliano cauchy clark coulomb cubitt curie dresden eads eiffel ellet euler fairbairn faraday ' +
  'fourier fowler franklin freyssinet galileo gauss gerber gibbs goethals gray greathead hadfield hawksley ' +
  'herschel hooke hopper jenney jessop johnson khan kirchhoff lamarr leonhardt lesage locke lovelace maillart ' +
  'mccullough menn mohr morandi mylne navier nervi newton noether otis outram palladio pascal paxton perronet ' +
  'polonceau rankine rennie roebling schlaich schwedler seguin smeaton sommeiller stevenson stokes strauss telford ' +
  'tesla timoshenko torroja trevithick turing vauban vitruvius warren watt wheatstone whitworth wren ' +
  'abel agnesi alhazen ampere anning avogadro banneker beaufort bering boyle burnell cannon carver celsius ' +
  'chandrasekhar chang chapman cook copernicus crick daimler darwin davy descartes diesel dijkstra earhart ' +
  'edison einstein eratosthenes euclid fermat fermi feynman fitzroy fleming foucault fresnel galvani germain ' +
  'goddard goodall hamilton harrison heyerdahl hilbert hipparchus hodgkin hubble humboldt hypatia joule kepler ' +
  'khayyam knuth kovalevskaya laplace leavitt leibniz linnaeus magellan marconi maury maxwell mccarthy meitner ' +
  'mendel mercator mirzakhani mitchell nansen napier nightingale oersted ohm pasteur perlman planck poincare ' +
  'ptolemy ramanujan ride ritchie rubin sagan shackleton shannon slocum somerville tereshkova torricelli vaughan ' +
  'volta wilson wu yalow zeppelin zuse'
).split(' ');

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? 'plain';
}

/** `attempt` is the number of names that were taken already: from the second on a number is added, as Docker does. */
export function randomName(attempt = 0): string {
  const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}`;
  return attempt === 0 ? name : `${name}${randomInt(10 ** Math.min(attempt, 9))}`;
}
